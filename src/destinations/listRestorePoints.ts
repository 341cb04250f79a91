import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EverthawError } from '../domain/errors.js';
import { MANIFEST_FILE, type ManifestFile } from '../domain/manifest.js';
import { mapAtMost } from '../system/mapAtMost.js';
import { OWNER_FILE } from './directory.js';
import { entryFault } from './fileFault.js';
import {
  beingForgotten,
  isBeingForgotten,
  isPartialName,
  listedPoint,
  partialPoint,
  type ListedPoint,
} from './listedPoint.js';
import { LARGEST_PROTECTION_BYTES } from './protection.js';
import { readAnyManifest, readPlainFile } from './restorePoint.js';

/** Enough to keep a disk busy; files are small. */
const DIRECTORIES_AT_ONCE = 32;

/** `one file system`: what is mounted below a directory that was named is not looked into, as a guest's volumes. */
export type Reach = 'mounts too' | 'one file system';

/**
 * All that is or was to be a restore point below directories of this machine. Nothing is hashed, no link is followed but those that
 * were named.
 *
 * @throws EverthawError WrongUsage where a directory that was named cannot be read
 */
export async function listRestorePoints(
  roots: readonly string[],
  reach: Reach = 'mounts too',
): Promise<readonly ListedPoint[]> {
  const found: ListedPoint[] = [];
  let level: readonly Place[] = [];
  for (const root of new Set(roots)) {
    const device = await checkRoot(root);
    level = [...level, reach === 'mounts too' ? { directory: root } : { directory: root, device }];
  }
  while (level.length > 0) {
    const looked = await mapAtMost(DIRECTORIES_AT_ONCE, level, look);
    found.push(...looked.flatMap(({ point }) => point ?? []));
    level = looked.flatMap(({ below }) => below);
  }
  return found;
}

interface Place {
  readonly directory: string;
  /** Where it is on another one, it is not looked into. */
  readonly device?: number;
}

interface Look {
  readonly point?: ListedPoint;
  readonly below: readonly Place[];
}

async function look(place: Place): Promise<Look> {
  const { directory, device } = place;
  let entries;
  try {
    if (device !== undefined && (await stat(directory)).dev !== device) return { below: [] };
    entries = await readdir(directory, { withFileTypes: true });
  } catch (error) {
    const why = `it cannot be read (${(error as NodeJS.ErrnoException).code ?? ''})`;
    return { point: { state: 'damaged', directory, why }, below: [] };
  }
  const names = entries.map(({ name }) => name);
  const textOf = (name: string) => readPlainFile(join(directory, name), LARGEST_PROTECTION_BYTES);
  if (isBeingForgotten(directory, names)) return { point: beingForgotten(directory), below: [] };
  if (names.includes(MANIFEST_FILE)) {
    const read = () => readAnyManifest(directory);
    const faultOf = (file: ManifestFile) => entryFault(directory, file);
    return { point: await listedPoint(directory, read, faultOf, names, textOf), below: [] };
  }
  if (isPartialName(directory))
    return { point: partialPoint(directory, await textOf(OWNER_FILE).catch(() => '')), below: [] };
  return {
    below: entries
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => ({ ...place, directory: join(directory, name) })),
  };
}

/** @returns its device */
async function checkRoot(root: string): Promise<number> {
  const found = await stat(root).catch((error: unknown) => (error as NodeJS.ErrnoException).code ?? '');
  if (typeof found !== 'string' && found.isDirectory()) return found.dev;
  throw new EverthawError({
    code: 'WrongUsage',
    what: `list the backups below "${root}"`,
    why: typeof found === 'string' ? `it cannot be read (${found})` : 'it is no directory',
    hint: 'name a directory that holds backups, as BACKUPROOT',
  });
}

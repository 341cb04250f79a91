import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EverthawError, isErrorWithCode } from '../domain/errors.js';
import { MANIFEST_FILE, type Manifest } from '../domain/manifest.js';
import { mapAtMost } from '../system/mapAtMost.js';
import { entryFault } from './fileFault.js';
import { readManifest } from './restorePoint.js';
import { isPartialName } from './verifyRestorePoint.js';

/** Enough to keep a disk busy; files are small. */
const DIRECTORIES_AT_ONCE = 32;

/** What stands in a directory: a restore point, one that is not finished, or one that cannot be restored as it is. */
export type ListedPoint =
  | {
      readonly state: 'whole';
      readonly directory: string;
      readonly vm: string;
      readonly pointInTime: string;
      readonly kind: Manifest['kind'];
      readonly consistency: Manifest['consistency'];
      /** Of all its files, as they are stored. */
      readonly sizeBytes: number;
      readonly host: string;
    }
  | { readonly state: 'partial' | 'damaged'; readonly directory: string; readonly why: string };

/**
 * All that is or was to be a restore point below some directories, by VM, then time, then directory. Nothing is hashed, no link is
 * followed but those that were named.
 *
 * @throws EverthawError WrongUsage where a directory that was named cannot be read
 */
export async function listRestorePoints(roots: readonly string[]): Promise<readonly ListedPoint[]> {
  for (const root of roots) await checkRoot(root);
  const found: ListedPoint[] = [];
  let level: readonly string[] = [...new Set(roots)];
  while (level.length > 0) {
    const looked = await mapAtMost(DIRECTORIES_AT_ONCE, level, look);
    found.push(...looked.flatMap(({ point }) => point ?? []));
    level = looked.flatMap(({ below }) => below);
  }
  return found.sort(byVmAndTime);
}

interface Look {
  readonly point?: ListedPoint;
  readonly below: readonly string[];
}

async function look(directory: string): Promise<Look> {
  let entries;
  try {
    entries = await readdir(directory, { withFileTypes: true });
  } catch (error) {
    const why = `it cannot be read (${(error as NodeJS.ErrnoException).code ?? ''})`;
    return { point: { state: 'damaged', directory, why }, below: [] };
  }
  if (entries.some(({ name }) => name === MANIFEST_FILE)) return { point: await read(directory), below: [] };
  if (isPartialName(directory))
    return { point: { state: 'partial', directory, why: 'it is not finished' }, below: [] };
  return {
    below: entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(directory, name)),
  };
}

async function read(directory: string): Promise<ListedPoint> {
  let manifest: Manifest;
  try {
    manifest = await readManifest(directory);
  } catch (error) {
    if (!isErrorWithCode(error, 'BackupDamaged')) throw error;
    return { state: 'damaged', directory, why: error.why };
  }
  for (const file of manifest.files) {
    const why = await entryFault(directory, file);
    if (why !== undefined) return { state: 'damaged', directory, why };
  }
  const { vm, pointInTime, kind, consistency, host, files } = manifest;
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  return {
    ...{ state: 'whole', directory, vm: vm.name, pointInTime, kind, consistency, sizeBytes },
    host: host.address,
  };
}

async function checkRoot(root: string): Promise<void> {
  const found = await stat(root).catch((error: unknown) => (error as NodeJS.ErrnoException).code ?? '');
  if (typeof found !== 'string' && found.isDirectory()) return;
  throw new EverthawError({
    code: 'WrongUsage',
    what: `list the backups below "${root}"`,
    why: typeof found === 'string' ? `it cannot be read (${found})` : 'it is no directory',
    hint: 'name a directory that holds backups, as BACKUPROOT',
  });
}

function byVmAndTime(one: ListedPoint, other: ListedPoint): number {
  const [a, b] = [sortKey(one), sortKey(other)];
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What cannot be told a VM of stands behind all others. */
function sortKey(point: ListedPoint): string {
  return point.state === 'whole'
    ? `0${point.vm}\0${point.pointInTime}\0${point.directory}`
    : `1${point.directory}`;
}

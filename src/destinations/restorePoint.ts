import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { EverthawError } from '../domain/errors.js';
import { isFileManifest, type AnyManifest, type FileManifest } from '../domain/fileManifest.js';
import { MANIFEST_FILE, type Manifest } from '../domain/manifest.js';
import { OWNER_FILE } from './directory.js';
import { MANIFEST } from './manifestSchema.js';
import { PROTECTED_FILE } from './protection.js';

/** A manifest of a thousand disks is smaller. */
export const LARGEST_MANIFEST_BYTES = 64 * 1024 * 1024;

/** Reads the manifest of an image-level restore point. @throws EverthawError BackupDamaged; WrongUsage where it is file-level */
export async function readManifest(directory: string): Promise<Manifest> {
  return imageLevel(await readAnyManifest(directory), directory);
}

/** Reads the manifest of a restore point. @throws EverthawError BackupDamaged */
export async function readAnyManifest(directory: string): Promise<AnyManifest> {
  const file = join(directory, MANIFEST_FILE);
  let text: string;
  try {
    text = await readPlainFile(file, LARGEST_MANIFEST_BYTES);
  } catch (error) {
    throw damaged(
      directory,
      `its manifest cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`,
    );
  }
  return parseManifest(text, directory);
}

/** What has disks, and can become a VM. @throws EverthawError WrongUsage where it has files only */
export function imageLevel(manifest: AnyManifest, directory: string): Manifest {
  if (!isFileManifest(manifest)) return manifest;
  throw new EverthawError({
    code: 'WrongUsage',
    what: `open the disks of the backup in "${directory}"`,
    why: `it is a file-level backup (${manifest.kind}): it holds files, and no disk`,
    hint: 'everthaw files get copies files out of it; a VM is restored from an image-level backup',
  });
}

/** The manifest in a text. @throws EverthawError BackupDamaged */
export function parseManifest(text: string, directory: string): AnyManifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw damaged(directory, 'its manifest is no JSON');
  }
  const parsed = MANIFEST.safeParse(json);
  if (!parsed.success) throw damaged(directory, `its manifest is not one of ours: ${wrongIn(parsed.error)}`);
  const manifest = parsed.data;
  const fault =
    commonFault(manifest) ?? (isFileManifest(manifest) ? fileFault(manifest) : imageFault(manifest));
  if (fault !== undefined) throw damaged(directory, `its manifest lists ${fault}`);
  return manifest;
}

function commonFault({ files }: AnyManifest): string | undefined {
  const twice = repeated(files.map(({ path }) => path));
  if (twice !== undefined) return `${twice} twice`;
  const reserved = files.find(({ path }) => [MANIFEST_FILE, OWNER_FILE, PROTECTED_FILE].includes(path));
  return reserved === undefined ? undefined : `${reserved.path} as a file of the VM`;
}

function imageFault({ disks, files }: Manifest): string | undefined {
  const twice = repeated(disks.map(({ label }) => label)) ?? repeated(disks.map(({ file }) => file));
  if (twice !== undefined) return `${twice} twice`;
  const listed = new Set(files.map(({ path }) => path));
  const unlisted = disks.find(({ file: name }) => !listed.has(name));
  return unlisted === undefined ? undefined : `no hash for ${unlisted.file}`;
}

/** Each volume has files of its own, each of them is of a volume, and what is not full and has archives has a base. */
function fileFault({ kind, base, volumes, files }: FileManifest): string | undefined {
  const twice = repeated(volumes.map(({ id }) => id)) ?? repeated(volumes.flatMap(({ name }) => name ?? []));
  if (twice !== undefined) return `${twice} twice`;
  const half = volumes.find(
    ({ archive, listing, frame, copied }) =>
      (archive === undefined) !== (listing === undefined) || (frame === undefined) !== (copied === undefined),
  );
  if (half !== undefined) return `only one of the two files of volume ${half.id}`;
  const chained = volumes.flatMap(({ archive, listing }) =>
    archive === undefined || listing === undefined ? [] : [`archive ${archive}`, `listing ${listing}`],
  );
  const owned = [
    ...chained,
    ...volumes.flatMap(({ frame, copied }) =>
      frame === undefined || copied === undefined ? [] : [`frame ${frame}`, `copied ${copied}`],
    ),
  ];
  const listed = files.map(({ role, path }) => `${role} ${path}`);
  if (JSON.stringify(owned.toSorted()) !== JSON.stringify(listed.toSorted()))
    return 'other files than its volumes have';
  if (kind === 'file-full') return base === undefined ? undefined : 'a base of a full backup';
  return chained.length > 0 && base === undefined ? 'no base of a backup that needs one' : undefined;
}

/** The first few things that are wrong say enough of what kind of file it is. */
const MOST_TOLD = 3;

function wrongIn({ issues }: z.ZodError): string {
  const told = z.prettifyError(new z.ZodError(issues.slice(0, MOST_TOLD))).replace(/\s*\n\s*/g, ' ');
  return issues.length > MOST_TOLD ? `${told}, and ${issues.length - MOST_TOLD} more` : told;
}

function repeated(names: readonly string[]): string | undefined {
  return new Set(names).size === names.length
    ? undefined
    : names.find((name, index) => names.indexOf(name) < index);
}

/**
 * The text of a file that lies in a backup: a link is not followed, and nothing is waited for that a pipe may say.
 *
 * @throws an error with a code, as readFile does
 */
export async function readPlainFile(file: string, largestBytes: number): Promise<string> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const found = await handle.stat();
    if (!found.isFile()) throw Object.assign(new Error('it is no file'), { code: 'it is no file' });
    if (found.size > largestBytes) throw Object.assign(new Error('too large'), { code: 'EFBIG' });
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

export function damaged(directory: string, why: string): EverthawError {
  return new EverthawError({
    code: 'BackupDamaged',
    what: `read the backup in "${directory}"`,
    why,
    hint: 'restore from another backup; what is whole of this one can be restored by hand (docs/formats.md)',
  });
}

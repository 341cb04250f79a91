import { lstat, mkdir, open, readdir, readFile, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EverthawError } from '../domain/errors.js';
import { MANIFEST_FILE } from '../domain/manifest.js';

/** File within a partial directory that says whose it is. */
export const OWNER_FILE = '.everthaw-owner';

/** Refuses a destination whose parent is missing, or that holds something (F6a). Nothing is made. */
export async function checkDestination(directory: string): Promise<void> {
  const parent = dirname(directory);
  const above = await lstatOrUndefined(parent);
  if (above?.isDirectory() !== true) {
    throw parentMissing(directory, parent, above === undefined ? 'does not exist' : 'is no directory');
  }
  const there = await lstatOrUndefined(directory);
  if (there === undefined) return;
  const holds = there.isDirectory() ? await readdir(directory) : ['a file of that name'];
  if (holds.length > 0) {
    throw inUse(
      directory,
      `it exists and holds ${holds.includes(MANIFEST_FILE) ? 'a backup' : holds.slice(0, 3).join(', ')}`,
    );
  }
}

export function parentMissing(directory: string, parent: string, why: string): EverthawError {
  return new EverthawError({
    code: 'DestinationMissing',
    what: `back up to "${directory}"`,
    why: `its parent "${parent}" ${why}`,
    hint: `make it: mkdir -p ${JSON.stringify(parent)}`,
  });
}

export function inUse(directory: string, why: string): EverthawError {
  return new EverthawError({
    code: 'DestinationInUse',
    what: `back up to "${directory}"`,
    why,
    hint: 'name another directory, or move that one away; a backup is never mixed into something else',
  });
}

/** Bytes that can be written there by us. */
export async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

/** Makes the directory that a backup is built in. One of the same run is taken over. */
export async function makePartial(partial: string, owner: string): Promise<void> {
  await mkdir(partial, { recursive: false, mode: 0o700 }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  });
  await writeFile(join(partial, OWNER_FILE), owner);
}

export async function readOwnerFile(partial: string): Promise<string> {
  return readFile(join(partial, OWNER_FILE), 'utf8').catch(() => '');
}

/**
 * Makes a partial directory the restore point: everything is on the disk before the name changes, and the name change itself
 * is. An empty directory of the final name is replaced, anything else refuses the rename. The owner file is still in it
 * ({@link disown}): as long as the directory is partial, it can be told whose it is.
 */
export async function commitPartial(partial: string, directory: string): Promise<void> {
  for (const name of await readdir(partial)) await fsync(join(partial, name));
  await fsync(partial);
  try {
    await rename(partial, directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'ENOTDIR') {
      throw inUse(directory, 'somebody put something there while the backup ran');
    }
    throw error;
  }
  await fsync(dirname(directory));
}

/** Takes the owner file out of a restore point: it is nobody's holding any more. */
export async function disown(directory: string): Promise<void> {
  await rm(join(directory, OWNER_FILE), { force: true });
}

/** Gives a restore point of ours the name of an unfinished one again: from now on nobody takes it for a backup. */
export async function withdraw(directory: string, partial: string): Promise<void> {
  await rename(directory, partial);
  await fsync(dirname(directory));
}

/** Removes a directory of ours with all that is in it. */
export async function removeDirectory(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
}

export async function exists(path: string): Promise<boolean> {
  return (await lstatOrUndefined(path)) !== undefined;
}

async function fsync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function lstatOrUndefined(path: string) {
  try {
    return await lstat(path);
  } catch (error) {
    // Below a file nothing exists either.
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

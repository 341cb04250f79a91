import { open } from 'node:fs/promises';
import { EverthawError } from '../domain/errors.js';
import { reasonOf } from './tool.js';

const SECTOR_BYTES = 512;

/** The first sector of a disk, or of a part of one, that is shown as a file (imageServer.ts): it comes from the disk itself each time. */
export async function readSector(file: string): Promise<void> {
  const handle = await open(file, 'r');
  try {
    await handle.read(Buffer.alloc(SECTOR_BYTES), 0, SECTOR_BYTES, 0);
  } finally {
    await handle.close();
  }
}

/**
 * Sees that disks that others serve are still there. Programs that look at a disk may take a failure for an empty one, and what is not found then is
 * none of the guest's doing.
 *
 * @throws EverthawError
 */
export async function mustAnswer(files: readonly string[], what: string): Promise<void> {
  try {
    await Promise.all(files.map(readSector));
  } catch (error) {
    throw unread(what, error);
  }
}

export function unread(what: string, error: unknown): EverthawError {
  return new EverthawError({
    code: 'ProgramFailed',
    what,
    why: `the disk cannot be read: ${reasonOf(error)}`,
    hint: 'what serves it may have ended: it is tried again',
    retry: 'again',
    cause: error,
  });
}

import { readdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../domain/errors.js';
import { withinTime } from '../system/withinTime.js';
import { readSector } from '../volumes/sector.js';
import { notMounted } from './mountTable.js';

/** Below a keeper's directory: a file for each partition. */
export const PARTS = 'parts';
/** A layer that has not answered by then does not. */
const ANSWER_MS = 60_000;

/**
 * Asks every layer of mounts for a sign of life: why it is not whole, or undefined. An empty directory is no volume without files, and a partition's first
 * sector comes from the disk itself each time.
 *
 * @param own the keeper's directory
 */
export async function brokenLayer(own: string, mounts: readonly string[]): Promise<string | undefined> {
  try {
    const parts = await readdir(join(own, PARTS));
    const asked = [
      ...parts.filter((name) => /^\d+$/.test(name)).map((name) => readSector(join(own, PARTS, name))),
      ...mounts.map((mount) => statfs(mount)),
    ];
    await withinTime('read the volumes', ANSWER_MS, Promise.all(asked));
    const missing = await notMounted(mounts);
    return missing === undefined ? undefined : `"${missing}" is not mounted any more: somebody unmounted it`;
  } catch (error) {
    return `a layer of the mounts does not answer: ${messageOf(error)}`;
  }
}

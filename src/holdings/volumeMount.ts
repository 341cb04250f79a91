import { readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { OWNER_FILE, readOwnerFile } from '../destinations/directory.js';
import { parseOwner } from '../domain/owner.js';
import { endKeeper, isKeeperAlive } from '../mounts/keeper.js';
import { mountsBelow, unmountBelow } from '../mounts/mountTable.js';
import { agedOn, GONE, type HoldingOf, type Kind } from './kind.js';
import { findDirectories } from './ownedDirectory.js';
import type { HoldingRecords } from './records.js';

/**
 * The volumes of a VM, mounted below a directory for whoever reads them (F1), with the process that keeps them mounted. The directory has an
 * owner file as long as it is the run's. Mounts are taken away by what the kernel says is mounted; then directories are removed that are
 * empty, and nothing else: whatever lies in one is somebody's.
 */
export const volumeMount: Kind<'volumeMount'> = {
  async release(holding, { records }) {
    await endKeeper(records.directoryOf('volumeMount', holding.run));
    if (await isOurs(holding)) {
      await unmountBelow(holding.directory);
      await removeEmpty(holding.directory);
      await rm(join(holding.directory, OWNER_FILE), { force: true });
      await removeIfEmpty(holding.directory);
    } else if (await isHalfMade(holding, records)) {
      await rm(join(holding.directory, OWNER_FILE), { force: true });
      await removeIfEmpty(holding.directory);
    }
    await records.remove('volumeMount', holding.run);
  },

  async absence(holding, { records }) {
    const own = records.directoryOf('volumeMount', holding.run);
    if (await isKeeperAlive(own)) return { state: 'present', why: 'the process that keeps it lives' };
    const places = [own, ...((await isOurs(holding)) ? [holding.directory] : [])];
    for (const place of places) {
      const [mount] = await mountsBelow(place);
      if (mount !== undefined) return { state: 'present', why: `"${mount.path}" is mounted` };
    }
    if (places.includes(holding.directory))
      return { state: 'present', why: `"${holding.directory}" has its owner file` };
    return (await records.has('volumeMount', holding.run))
      ? { state: 'present', why: 'its note is there' }
      : GONE;
  },

  list: {
    on: 'proxy',
    find: async (at) =>
      (await findDirectories('volumeMount', 'mounted volumes', at)).map((found) => ({
        ...found,
        ...(found.owner === undefined ? {} : agedOn(at, found.owner)),
      })),
  },
};

async function isOurs({ directory, run }: HoldingOf<'volumeMount'>): Promise<boolean> {
  return parseOwner(await readOwnerFile(directory))?.runId === run.runId;
}

/** The directory was noted and made, and its owner file not yet written. */
async function isHalfMade(
  { directory, run }: HoldingOf<'volumeMount'>,
  records: HoldingRecords,
): Promise<boolean> {
  return (await records.has('volumeMount', run)) && (await readOwnerFile(directory)) === '';
}

/** Removes the directories below one that hold nothing. Nothing is mounted there any more. */
async function removeEmpty(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const below = join(directory, entry.name);
    await removeEmpty(below);
    await removeIfEmpty(below);
  }
}

async function removeIfEmpty(directory: string): Promise<void> {
  await rmdir(directory).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'ENOENT') throw error;
  });
}

import { parseOwner } from '../domain/owner.js';
import { exists, readOwnerFile, removeDirectory } from '../destinations/directory.js';
import { GONE, type HoldingOf, type Kind } from './kind.js';
import { findDirectories } from './ownedDirectory.js';

/**
 * The directory that a backup is built in. It is removed only where both its name and its owner file are the run's own; one
 * without an owner file was just made.
 */
export const partialDirectory: Kind<'partialDirectory'> = {
  async release(holding, { records }) {
    if (await isOurs(holding)) await removeDirectory(holding.directory);
    await records.remove('partialDirectory', holding.run);
  },

  async absence(holding) {
    return (await isOurs(holding)) ? { state: 'present', why: `"${holding.directory}" exists` } : GONE;
  },

  list: { on: 'proxy', find: (at) => findDirectories('partialDirectory', 'unfinished backup', at) },
};

async function isOurs({ directory, run }: HoldingOf<'partialDirectory'>): Promise<boolean> {
  if (!directory.endsWith(`.partial-${run.runId}`) || !(await exists(directory))) return false;
  const owner = await readOwnerFile(directory);
  return owner === '' || parseOwner(owner)?.runId === run.runId;
}

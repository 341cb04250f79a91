import { partialName } from '../domain/names.js';
import { parseOwner } from '../domain/owner.js';
import { exists, readOwnerFile, removeDirectory, withdraw } from '../destinations/directory.js';
import { GONE, type HoldingOf, type Kind } from './kind.js';
import { findDirectories } from './ownedDirectory.js';

/** An export that other software was handed (pre-command). It has an owner file as long as it is the run's: without one it stays. */
export const stagedExport: Kind<'stagedExport'> = {
  async release(holding, { records }) {
    const partial = partialName(holding.directory, holding.run.runId);
    // One that is removed in part must not look like a backup, nor like somebody else's because its owner file went first.
    if (await isOurs(holding)) await withdraw(holding.directory, partial);
    if (await exists(partial)) await removeDirectory(partial);
    await records.remove('stagedExport', holding.run);
  },

  async absence(holding) {
    const partial = partialName(holding.directory, holding.run.runId);
    const there = (await isOurs(holding)) ? holding.directory : (await exists(partial)) ? partial : undefined;
    return there === undefined ? GONE : { state: 'present', why: `"${there}" exists` };
  },

  list: { on: 'proxy', find: (at) => findDirectories('stagedExport', 'export for other software', at) },
};

async function isOurs({ directory, run }: HoldingOf<'stagedExport'>): Promise<boolean> {
  return (await exists(directory)) && parseOwner(await readOwnerFile(directory))?.runId === run.runId;
}

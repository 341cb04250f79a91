import { partialName } from '../domain/names.js';
import { parseOwner } from '../domain/owner.js';
import type { PartialBackup } from '../destinations/destination.js';
import type { Destinations } from '../destinations/destinations.js';
import { GONE, type HoldingOf, type Kind } from './kind.js';
import { findDirectories } from './ownedDirectory.js';

/**
 * The directory that a backup is built in, here or where ssh leads to. It is removed only where both its name and its owner file are the
 * run's own; one without an owner file was just made. A machine that does not answer is no sign of anything: that is thrown.
 */
export const partialDirectory: Kind<'partialDirectory'> = {
  async release(holding, { records, destinations }) {
    await (await ours(holding, destinations))?.remove();
    await records.remove('partialDirectory', holding.run);
  },

  async absence(holding, { destinations }) {
    return (await ours(holding, destinations)) === undefined
      ? GONE
      : { state: 'present', why: `"${holding.directory}" exists` };
  },

  list: { on: 'proxy', find: (at) => findDirectories('partialDirectory', 'unfinished backup', at) },
};

async function ours(
  { directory, run }: HoldingOf<'partialDirectory'>,
  destinations: Destinations,
): Promise<PartialBackup | undefined> {
  const suffix = partialName('', run.runId);
  if (!directory.endsWith(suffix)) return undefined;
  const partial = (await destinations.at(directory.slice(0, -suffix.length))).partialOf(run.runId);
  if (!(await partial.exists())) return undefined;
  const owner = await partial.owner();
  return owner === '' || parseOwner(owner)?.runId === run.runId ? partial : undefined;
}

import { parseOwner } from '../domain/owner.js';
import { exists, readOwnerFile, removePartial } from '../destinations/directory.js';
import { GONE, runOf, vmOf, type HoldingOf, type Kind } from './kind.js';

/**
 * The directory that a backup is built in. It is removed only where both its name and its owner file are the run's own; one
 * without an owner file was just made.
 */
export const partialDirectory: Kind<'partialDirectory'> = {
  async release(holding, { records }) {
    if (await isOurs(holding)) await removePartial(holding.directory);
    await records.remove('partialDirectory', holding.run);
  },

  async absence(holding) {
    return (await isOurs(holding)) ? { state: 'present', why: `"${holding.directory}" exists` } : GONE;
  },

  list: {
    on: 'proxy',
    async find({ proxy, records }) {
      return (await records.list('partialDirectory')).flatMap(({ owner, vmName, id: directory }) => {
        if (directory === undefined) return [];
        const kind = 'partialDirectory' as const;
        return [
          {
            kind,
            key: directory,
            what: `unfinished backup in "${directory}"`,
            owner,
            holding: { kind, proxy, run: runOf(owner), vm: vmOf(owner, vmName), directory },
          },
        ];
      });
    },
  },
};

async function isOurs({ directory, run }: HoldingOf<'partialDirectory'>): Promise<boolean> {
  if (!directory.endsWith(`.partial-${run.runId}`) || !(await exists(directory))) return false;
  const owner = await readOwnerFile(directory);
  return owner === '' || parseOwner(owner)?.runId === run.runId;
}

import { join } from 'node:path';
import { MANIFEST_FILE } from '../domain/manifest.js';
import { parseOwner } from '../domain/owner.js';
import { exists, readOwnerFile, removePartial } from '../destinations/directory.js';
import { GONE, runOf, vmOf, type Kind } from './kind.js';

/**
 * The directory that a backup is built in. It is removed only with its own run's name and owner file: a directory that
 * somebody else put there, or that became a restore point, stays.
 */
export const partialDirectory: Kind<'partialDirectory'> = {
  async release({ directory, run }, { records }) {
    if (await exists(directory)) {
      const owner = parseOwner(await readOwnerFile(directory));
      const isOurs =
        owner === undefined ? !(await exists(join(directory, MANIFEST_FILE))) : owner.runId === run.runId;
      if (directory.endsWith(`.partial-${run.runId}`) && isOurs) await removePartial(directory);
    }
    await records.remove('partialDirectory', run);
  },

  async absence({ directory }) {
    return (await exists(directory)) ? { state: 'present', why: `"${directory}" exists` } : GONE;
  },

  async list({ proxy, records }) {
    return (await records.list('partialDirectory')).flatMap(({ owner, vmName, id }) =>
      id === undefined
        ? []
        : [
            {
              kind: 'partialDirectory' as const,
              what: `unfinished backup in "${id}"`,
              owner,
              holding: {
                kind: 'partialDirectory' as const,
                proxy,
                run: runOf(owner),
                vm: vmOf(owner, vmName),
                directory: id,
              },
            },
          ],
    );
  },
};

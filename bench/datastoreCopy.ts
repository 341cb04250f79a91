import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { copyToFile } from '../src/disks/copier.js';
import { sha256 } from '../test/lab/disks.js';
import type { BenchLab } from './benchLab.js';
import { atLeast, type Figure, type Row } from './figure.js';
import { native } from './native.js';
import { NBDCOPY_BEST } from './nbdcopySettings.js';
import { inPairs, seconds } from './pairs.js';
import { nbdUri, withServedDisk } from './servedDisk.js';
import { spreadOf } from './statistics.js';

/**
 * The datastore's HTTPS access through nbdkit, hashed and sparse, against nbdcopy from the same nbdkit into a file, which hashes
 * nothing. Ours counts the start of its own nbdkit.
 */
export const datastoreCopy: Figure = {
  name: 'datastore',
  title: 'datastore access, hashed and sparse, against nbdcopy to file',
  async measure(lab: BenchLab, runs: number): Promise<readonly Row[]> {
    const file = join(lab.directory, 'disk-flat.vmdk');
    const hashes = new Set([await sha256(lab.disk.raw)]);
    const hashing: number[] = [];
    return withServedDisk(lab, async ({ host, serve }) => {
      const served = await serve('nbd-reference');
      const fresh = async (): Promise<void> => {
        await rm(file, { force: true });
        await host.now();
      };
      const pairs = await inPairs(
        runs,
        async () => {
          await fresh();
          return seconds(async () => {
            const server = await serve('nbd-ours');
            const source = { socket: server.socket, what: 'the disk' };
            const order = { source, file, offsetBytes: 0, sparse: true };
            const copied = await copyToFile(order, () => undefined, new AbortController().signal);
            await server.stop();
            hashes.add(copied.sha256);
          });
        },
        async () => {
          await fresh();
          const time = await seconds(() => native('nbdcopy', [...NBDCOPY_BEST, nbdUri(served), file]));
          hashing.push(
            await seconds(async () => {
              const said = await native('openssl', ['dgst', '-sha256', '-r', file]);
              hashes.add(said.slice(0, 64));
            }),
          );
          return time;
        },
      );
      await served.stop();
      await rm(file);
      if (hashes.size !== 1) throw new Error(`the hashes differ: ${[...hashes].join(', ')}`);
      return [
        {
          what: 'datastore access, hashed and sparse',
          ...pairs,
          unit: 's',
          wanted: atLeast(0.9, pairs.ratio),
        },
        { what: '  left for the reference to hash (openssl)', reference: spreadOf(hashing), unit: 's' },
      ];
    });
  },
};

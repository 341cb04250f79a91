import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { copyToFile } from '../src/disks/copier.js';
import { sha256 } from '../test/lab/disks.js';
import type { BenchLab } from './benchLab.js';
import { atLeast, type Figure, type Row } from './figure.js';
import { native } from './native.js';
import { NBDCOPY_BEST } from './nbdcopySettings.js';
import { inPairs, plus, seconds } from './pairs.js';
import { nbdUri, withServedDisk } from './servedDisk.js';

/** Bytes of a second at 1 Gbit/s: where the network is what limits, not the two cores that host and proxy share here. */
const GIGABIT_BYTES = 125_000_000;

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
      const ours = async (): Promise<number> => {
        await fresh();
        return seconds(async () => {
          const server = await serve('nbd-ours');
          const source = { socket: server.socket, what: 'the disk' };
          const order = { source, file, offsetBytes: 0, sparse: true };
          const copied = await copyToFile(order, () => undefined, new AbortController().signal);
          await server.stop();
          hashes.add(copied.sha256);
        });
      };
      const reference = async (): Promise<number> => {
        await fresh();
        const time = await seconds(() => native('nbdcopy', [...NBDCOPY_BEST, nbdUri(served), file]));
        hashing.push(
          await seconds(async () => {
            const said = await native('openssl', ['dgst', '-sha256', '-r', file]);
            hashes.add(said.slice(0, 64));
          }),
        );
        return time;
      };
      const pairs = await inPairs(runs, ours, reference);
      console.log('at 1 Gbit/s');
      await lab.vcenter.control('POST', '/throttle', { path: '/folder', bytesPerSecond: GIGABIT_BYTES });
      const throttled = await inPairs(Math.min(runs, 3), ours, reference);
      await lab.vcenter.heal();
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
        // No figure to reach: nbdcopy's settings are its best at full speed only.
        { what: '  at 1 Gbit/s', ...throttled, unit: 's' },
        { what: '  where the reference hashes too (openssl)', ...plus(pairs, hashing), unit: 's' },
      ];
    });
  },
};

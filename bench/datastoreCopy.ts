import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { copyToFile } from '../src/disks/copier.js';
import { startNbdServer } from '../src/disks/nbdServer.js';
import { sha256 } from '../test/lab/disks.js';
import { withSnapshot, type BenchLab } from './benchLab.js';
import { atLeast, type Figure, type Row } from './figure.js';
import { native } from './native.js';
import { inPairs, seconds } from './pairs.js';

/** nbdcopy's best here (docs/benchmarks.md has the others). */
const BEST = ['--request-size=8388608', '--requests=1'] as const;

/** The datastore's HTTPS access through nbdkit, hashed and sparse, against nbdcopy from the same nbdkit into a file. */
export const datastoreCopy: Figure = {
  name: 'datastore',
  title: 'datastore access, hashed and sparse, against nbdcopy to file',
  async measure(lab: BenchLab, runs: number): Promise<readonly Row[]> {
    const host = await lab.open();
    const file = join(lab.directory, 'disk-flat.vmdk');
    const { signal } = new AbortController();
    return withSnapshot(host, 'bench', async (vm, snapshotId) => {
      const opened = await host.openDatastore(vm.instanceUuid, snapshotId, vm.disks[0]!);
      if (opened.kind !== 'url') throw new Error('the datastore gave no URL');
      const source = { url: opened.url, ...opened.access, offsetBytes: 0, what: 'the disk' };
      const hashes = new Set([await sha256(lab.disk.raw)]);
      const start = (name: string) => startNbdServer(source, join(lab.directory, name), signal);
      const served = await start('nbd-reference');
      const pairs = await inPairs(
        runs,
        async () => {
          await rm(file, { force: true });
          await host.now();
          return seconds(async () => {
            const server = await start('nbd-ours');
            const order = {
              source: { socket: server.socket, what: 'the disk' },
              file,
              offsetBytes: 0,
              sparse: true,
            };
            const copied = await copyToFile(order, () => undefined, signal);
            await server.stop();
            hashes.add(copied.sha256);
          });
        },
        async () => {
          await rm(file, { force: true });
          await host.now();
          const time = await seconds(() =>
            native('nbdcopy', [...BEST, `nbd+unix:///?socket=${served.socket}`, file]),
          );
          hashes.add(await sha256(file));
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
      ];
    });
  },
};

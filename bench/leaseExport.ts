import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { copyToFile } from '../src/disks/copier.js';
import { parseTransport } from '../src/domain/transport.js';
import { UNNOTED } from '../src/hosts/exports.js';
import { withSnapshot, type BenchLab } from './benchLab.js';
import { atLeast, type Figure, type Row } from './figure.js';
import { accessOf, native } from './native.js';
import { inPairs, plus, seconds } from './pairs.js';
import { spreadOf } from './statistics.js';

/** A real lease's stream into a file with its hash, against `curl -o FILE URL; sha256sum FILE`. */
export const leaseExport: Figure = {
  name: 'lease',
  title: 'lease export to file, hashed, against curl to file and sha256sum',
  async measure(lab: BenchLab, runs: number): Promise<readonly Row[]> {
    const host = await lab.open();
    const file = join(lab.directory, 'stream.vmdk');
    return withSnapshot(host, 'bench', async (vm, snapshotId) => {
      const opened = await host.openDisk(
        parseTransport('nbdssl:lease'),
        vm.instanceUuid,
        snapshotId,
        vm.disks[0]!,
        UNNOTED,
      );
      if (opened.kind !== 'stream') throw new Error('the lease gave no stream');
      const { source } = opened;
      const hashes = new Set<string>();
      const hashing: number[] = [];
      const openssl: number[] = [];
      const syncing: number[] = [];
      let sizeBytes = 0;
      const fresh = async (): Promise<void> => {
        await opened.keepAlive(0.5);
        await rm(file, { force: true });
      };
      const pairs = await inPairs(
        runs,
        async () => {
          await fresh();
          return seconds(async () => {
            const order = { source, file, offsetBytes: 0, sparse: false };
            const copied = await copyToFile(order, () => undefined, new AbortController().signal);
            hashes.add(copied.sha256);
            sizeBytes = copied.sizeBytes;
          });
        },
        async () => {
          await fresh();
          const curl = await seconds(() =>
            native('curl', ['-sS', '-f', '-K', '-', '-o', file], accessOf(source)),
          );
          const sha256sum = await seconds(async () => {
            hashes.add((await native('sha256sum', [file])).slice(0, 64));
          });
          hashing.push(sha256sum);
          openssl.push(await seconds(() => native('openssl', ['dgst', '-sha256', file])));
          syncing.push(await seconds(() => native('sync', ['-d', file])));
          return curl + sha256sum;
        },
      );
      if (hashes.size !== 1) throw new Error(`the hashes differ: ${[...hashes].join(', ')}`);
      await rm(file);
      await opened.finish(sizeBytes);
      return [
        { what: 'lease export, hashed', ...pairs, unit: 's', wanted: atLeast(0.9, pairs.ratio) },
        {
          what: '  where openssl hashes for the reference',
          ...plus(
            pairs,
            openssl.map((time, index) => time - (hashing[index] ?? NaN)),
          ),
          unit: 's',
        },
        { what: '  left for the reference to sync', reference: spreadOf(syncing), unit: 's' },
      ];
    });
  },
};

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageFormat } from '../src/domain/diskFiles.js';
import { hashFile } from '../src/disks/hashFile.js';
import { copyToImage, type NamedExport } from '../src/disks/imageCopy.js';
import { UNNOTED } from '../src/holdings/lease.js';
import { withSnapshot, type BenchLab } from './benchLab.js';
import { atMostTimes, type Figure, type Row } from './figure.js';
import { withGuest } from './guestBench.js';
import { native } from './native.js';
import { inPairs, seconds, type Pairs } from './pairs.js';

const NEVER = new AbortController().signal;

/** The copy of a running guest's disk, against nbdcopy over the same export; what is left to be written is written in both. */
export const guestImage: Figure = {
  name: 'guest-image',
  title: 'full image of a running guest, against nbdcopy over the same export',
  measure(_lab: BenchLab, runs: number): Promise<readonly Row[]> {
    return withGuest(({ host, directory }) =>
      withSnapshot(host, 'bench', async (vm, snapshotId) => {
        const [transport] = host.transports;
        const [disk] = vm.disks;
        if (transport === undefined || disk === undefined) throw new Error('the guest has no disk to read');
        const opened = await host.openDisk(transport, vm.instanceUuid, snapshotId, disk, UNNOTED);
        if (opened.kind !== 'nbd') throw new Error('the host serves no NBD export');
        const source = { ...opened, what: 'the disk' };
        const raw = await compare('raw', source, directory, runs, false);
        const qcow2 = await compare('qcow2', source, directory, runs, true);
        await opened.close();
        return [
          { what: 'guest to raw', ...raw, unit: 's', wanted: atMostTimes(1.1, raw.ratio) },
          { what: 'guest to qcow2, hashed', ...qcow2, unit: 's', wanted: atMostTimes(2.5, qcow2.ratio) },
        ];
      }),
    );
  },
};

async function compare(
  format: ImageFormat,
  source: NamedExport,
  directory: string,
  runs: number,
  isHashed: boolean,
): Promise<Pairs> {
  console.log(`to ${format}`);
  const file = join(directory, `disk.${format}`);
  const uri = `nbd+unix:///${source.exportName}?socket=${encodeURIComponent(source.socket)}`;
  const timed = async (copy: () => Promise<unknown>): Promise<number> => {
    await rm(file, { force: true });
    return seconds(async () => {
      await copy();
      await native('sync', [file]);
    });
  };
  return inPairs(
    runs,
    () =>
      timed(async () => {
        await copyToImage(source, { file, format }, () => undefined, NEVER);
        if (isHashed) await hashFile(file, () => undefined, NEVER);
      }),
    () => timed(() => native('nbdcopy', [uri, file])),
  );
}

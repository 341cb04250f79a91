import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { dataClusters } from '../src/domain/extents.js';
import { copyToFile } from '../src/disks/copier.js';
import { readExportMap } from '../src/disks/exportMap.js';
import { copyToImage, type NamedExport } from '../src/disks/imageCopy.js';
import { CLUSTER_BYTES } from '../src/disks/qcow2Layout.js';
import { UNNOTED } from '../src/hosts/exports.js';
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
        console.log('to raw, not hashed');
        const raw = await compare(source, directory, runs, (file) =>
          copyToImage(source, { file, format: 'raw' }, () => undefined, NEVER),
        );
        console.log('to qcow2, hashed');
        const qcow2 = await compare(source, directory, runs, async (file) => {
          const extents = await readExportMap(source, NEVER);
          const data = dataClusters(extents, disk.capacityBytes, CLUSTER_BYTES);
          const image = { capacityBytes: disk.capacityBytes, data };
          await copyToFile({ source, file, offsetBytes: 0, sparse: true, image }, () => undefined, NEVER);
        });
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
  source: NamedExport,
  directory: string,
  runs: number,
  copy: (file: string) => Promise<unknown>,
): Promise<Pairs> {
  const file = join(directory, 'copy');
  const uri = `nbd+unix:///${source.exportName}?socket=${encodeURIComponent(source.socket)}`;
  const timed = async (work: () => Promise<unknown>): Promise<number> => {
    await rm(file, { force: true });
    return seconds(async () => {
      await work();
      await native('sync', [file]);
    });
  };
  return inPairs(
    runs,
    () => timed(() => copy(file)),
    () => timed(() => native('nbdcopy', [uri, file])),
  );
}

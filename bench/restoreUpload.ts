import { stat } from 'node:fs/promises';
import { runProgram } from '../src/system/program.js';
import type { SourceProgram } from '../src/system/sourceProgram.js';
import type { VmDescription } from '../src/domain/vm.js';
import type { Host } from '../src/hosts/host.js';
import type { BenchLab } from './benchLab.js';
import { atLeast, type Figure, type Row } from './figure.js';
import { accessOf, native } from './native.js';
import { inPairs, seconds, type Pairs } from './pairs.js';

/** A disk's stream uploaded as a restore does it, against `curl -T FILE URL`. */
export const restoreUpload: Figure = {
  name: 'upload',
  title: 'restore upload against curl -T',
  async measure(lab: BenchLab, runs: number): Promise<readonly Row[]> {
    const host = await lab.open();
    const [found] = await host.findVms({ kind: 'name', value: 'bench' });
    const vm = await host.describeVm(found?.instanceUuid ?? '');
    const file = lab.disk.streamOptimized;
    const toFolder = await uploadToFolder(host, vm, file, runs);
    const toLease = await uploadToLease(host, vm, file, runs);
    return [
      { what: 'restore upload, datastore', ...toFolder, unit: 's', wanted: atLeast(0.9, toFolder.ratio) },
      {
        what: 'restore upload, lease (the lab converts it)',
        ...toLease,
        unit: 's',
        wanted: atLeast(0.9, toLease.ratio),
      },
    ];
  },
};

async function uploadToFolder(host: Host, vm: VmDescription, file: string, runs: number): Promise<Pairs> {
  console.log('to the datastore');
  const place = await placeOf(host, vm);
  await host.makeDirectory(place, 'bench-upload');
  const upload = await host.uploadFile(place, 'bench-upload/disk.bin', file);
  const pairs = await compare(runs, upload, file, () => host.now());
  await host.deletePath(place, 'bench-upload');
  return pairs;
}

async function uploadToLease(host: Host, vm: VmDescription, file: string, runs: number): Promise<Pairs> {
  console.log('to an import lease');
  let leaseId = '';
  const disk = {
    label: vm.disks[0]!.label,
    capacityBytes: vm.disks[0]!.capacityBytes,
    file: 'disk.vmdk',
    format: 'vmdk-stream-optimized' as const,
    originalPath: vm.disks[0]!.path,
  };
  const opened = await host.openImport(
    {
      name: 'bench.restoring',
      configuration: vm.configuration,
      disks: [{ disk, sizeBytes: (await stat(file)).size }],
      place: await placeOf(host, vm),
      instanceUuid: vm.instanceUuid,
      newAddresses: false,
      mark: 'of npm run bench',
    },
    {
      intend: () => Promise.resolve(),
      taken: (id) => {
        leaseId = id;
        return Promise.resolve();
      },
    },
    AbortSignal.timeout(60_000),
  );
  const pairs = await compare(runs, opened.upload(disk, file), file, () => opened.keepAlive(0.5));
  // Takes the VM with it.
  await host.abortLease(leaseId);
  return pairs;
}

function compare(
  runs: number,
  upload: SourceProgram,
  file: string,
  signOfLife: () => Promise<unknown>,
): Promise<Pairs> {
  return inPairs(
    runs,
    async () => {
      await signOfLife();
      return seconds(() => runProgram(upload));
    },
    async () => {
      await signOfLife();
      return seconds(() => native('curl', ['-sS', '-f', '-K', '-', '-T', file], accessOf(upload)));
    },
  );
}

function placeOf(host: Host, vm: VmDescription) {
  return host.findPlace({
    vm,
    disks: [],
    storage: vm.datastores[0]?.label ?? '',
  });
}

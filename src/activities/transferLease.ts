import { diskFileName } from '../domain/diskFiles.js';
import type { DiskResult } from '../domain/runs.js';
import type { PartialBackup } from '../destinations/destination.js';
import { checkStreamOptimized } from '../disks/streamOptimized.js';
import { letGo } from '../holdings/kinds.js';
import { leaseNotes } from '../holdings/lease.js';
import { wrongExport } from '../hosts/wrongExport.js';
import { copyTold } from './copyTold.js';
import { hostOf, ownerOf, type Dependencies } from './dependencies.js';
import { keptAlive } from './keptAlive.js';
import { pulse } from './pulse.js';
import type { TransferInput } from './transfer.js';

/** A lease is a stream of the whole disk in the form it is kept in: what an earlier attempt got is of no use. */
export async function transferLease(
  dependencies: Dependencies,
  input: TransferInput,
  partial: PartialBackup,
): Promise<DiskResult> {
  const { disk, vm } = input;
  const started = Date.now();
  const name = diskFileName(disk.label);
  await letGo({ kind: 'exportLease', run: input.run, vm, proxy: input.proxy }, dependencies);
  await partial.discard(name);
  // An earlier attempt's lease may have been ended by ending the session that it lived in.
  const host = await hostOf(dependencies, input);
  const notes = leaseNotes('exportLease', dependencies.records, await ownerOf(dependencies, input), vm.name);
  const opened = await host.openDisk(input.transport, vm.instanceUuid, input.snapshotId, disk, notes);
  if (opened.kind !== 'stream') throw wrongExport(disk);
  // How long a compressed stream gets is not known beforehand: its share of the capacity is the best guess there is.
  const fraction = () => Math.min(0.99, (pulse().now.progress?.bytes ?? 0) / disk.capacityBytes);
  const copied = await keptAlive(
    async () => {
      await opened.keepAlive(fraction());
      await host.watchVm(vm.instanceUuid, input.snapshotId);
    },
    (signal) =>
      copyTold(partial, name, { source: opened.source, offsetBytes: 0, sparse: false }, disk, signal, {
        isGuess: true,
      }),
  );
  await partial.lookInto(name, (file) =>
    checkStreamOptimized(file, disk.capacityBytes, `disk ${disk.label} of "${vm.name}"`),
  );
  await opened.finish(copied.sizeBytes);
  await dependencies.records.remove('exportLease', input.run);
  return {
    disk: {
      label: disk.label,
      capacityBytes: disk.capacityBytes,
      file: name,
      format: 'vmdk-stream-optimized',
      originalPath: disk.path,
    },
    files: [{ path: name, role: 'disk', ...copied }],
    bytes: copied.sizeBytes,
    durationMs: Date.now() - started,
    transport: input.transport,
    resumedAtBytes: 0,
  };
}

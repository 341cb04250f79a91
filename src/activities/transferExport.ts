import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { activityInfo, cancellationSignal } from '@temporalio/activity';
import { imageFileName } from '../domain/diskFiles.js';
import type { DiskResult } from '../domain/runs.js';
import { copyToImage } from '../disks/imageCopy.js';
import { hashFile } from '../disks/hashFile.js';
import { UNNOTED } from '../holdings/lease.js';
import { wrongExport } from './copyTold.js';
import { hostOf, type Dependencies } from './dependencies.js';
import { keptAlive } from './keptAlive.js';
import { pulse } from './pulse.js';
import type { TransferInput } from './transfer.js';

/** What may hurt the VM comes quickly: a file that the host writes to meanwhile fills up. */
const WATCH_MS = 1000;

/** An export that the host serves: qemu-img reads it, for it knows what is zeros, and writes a standard image. */
export async function transferExport(
  dependencies: Dependencies,
  input: TransferInput,
  partial: string,
): Promise<DiskResult> {
  const { disk, vm } = input;
  const started = Date.now();
  const what = `disk ${disk.label} of "${vm.name}"`;
  const format = input.diskFormat ?? 'qcow2';
  const name = imageFileName(disk.label, format);
  const file = await attemptFile(partial, name);
  const host = await hostOf(dependencies, input);
  const opened = await host.openDisk(input.transport, vm.instanceUuid, input.snapshotId, disk, UNNOTED);
  if (opened.kind !== 'nbd') throw wrongExport(disk);
  try {
    if (opened.sizeBytes !== disk.capacityBytes) throw wrongExport(disk);
    await keptAlive(
      () => host.watchVm(vm.instanceUuid, input.snapshotId),
      (signal) =>
        copyToImage(
          { socket: opened.socket, exportName: opened.exportName, what },
          { file, format },
          (fraction) => {
            tell(disk.label, fraction * disk.capacityBytes, disk.capacityBytes);
          },
          signal,
        ),
      WATCH_MS,
    );
  } finally {
    await opened.close();
  }
  const stored = await hashFile(file, () => undefined, cancellationSignal());
  await rename(file, join(partial, name));
  tell(disk.label, disk.capacityBytes, disk.capacityBytes);
  return {
    disk: {
      label: disk.label,
      capacityBytes: disk.capacityBytes,
      file: name,
      format: format === 'vmdk' ? 'vmdk-sparse' : format,
      originalPath: disk.path,
    },
    files: [{ path: name, role: 'disk', ...stored }],
    bytes: stored.sizeBytes,
    durationMs: Date.now() - started,
    transport: input.transport,
    resumedAtBytes: 0,
  };
}

/** A file of this attempt's own: what still writes for an earlier one writes to a file that is gone. */
async function attemptFile(partial: string, name: string): Promise<string> {
  for (const there of await readdir(partial)) {
    if (there.startsWith(`${name}.attempt-`)) await rm(join(partial, there), { force: true });
  }
  return join(partial, `${name}.attempt-${activityInfo().attempt}`);
}

function tell(label: string, bytes: number, totalBytes: number): void {
  pulse().progress({ what: `disk ${label}`, bytes: Math.round(bytes), totalBytes });
}

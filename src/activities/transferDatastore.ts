import { cancellationSignal } from '@temporalio/activity';
import { diskFileName, flatFileName } from '../domain/diskFiles.js';
import { EverthawError, isErrorWithCode } from '../domain/errors.js';
import type { DiskResult } from '../domain/runs.js';
import type { PartialBackup } from '../destinations/destination.js';
import type { Copied } from '../disks/copier.js';
import { startNbdServer, stopNbdServer } from '../disks/nbdServer.js';
import { formatDescriptor } from '../disks/vmdkDescriptor.js';
import { UNNOTED } from '../hosts/exports.js';
import { wrongExport } from '../hosts/wrongExport.js';
import { copyTold } from './copyTold.js';
import { hostOf, ownerOf, type Dependencies } from './dependencies.js';
import { keptAlive } from './keptAlive.js';
import { pulse } from './pulse.js';
import type { TransferInput } from './transfer.js';

/** Random access: a copy goes on behind the last bytes that are known to be on the disk. */
export async function transferDatastore(
  dependencies: Dependencies,
  input: TransferInput,
  partial: PartialBackup,
): Promise<DiskResult> {
  const { disk, vm, run } = input;
  const started = Date.now();
  const host = await hostOf(dependencies, input);
  const flat = flatFileName(disk.label);
  const checkpoint = pulse().now.checkpoint ?? input.resumeFrom;
  const offsetBytes = checkpoint?.file === flat ? checkpoint.durableBytes : 0;
  const directory = dependencies.records.directoryOf('nbdServer', run);
  await stopNbdServer(directory);
  await dependencies.records.write('nbdServer', {
    owner: await ownerOf(dependencies, input),
    vmName: vm.name,
  });
  const opened = await host.openDisk(input.transport, vm.instanceUuid, input.snapshotId, disk, UNNOTED);
  if (opened.kind !== 'url') throw wrongExport(disk);
  if (opened.sizeBytes !== disk.capacityBytes) throw wrongExport(disk);
  const { cookie, caFile } = opened.access;
  const what = `disk ${disk.label} of "${vm.name}"`;
  const server = await startNbdServer(
    { url: opened.url, cookie, caFile, offsetBytes, what },
    directory,
    cancellationSignal(),
  );
  let copied: Copied;
  try {
    copied = await keptAlive(
      () => host.watchVm(vm.instanceUuid, input.snapshotId),
      (signal) =>
        copyTold(
          partial,
          flat,
          { source: { socket: server.socket, what }, offsetBytes, sparse: true },
          disk,
          signal,
          { isResumable: true },
        ),
    );
  } catch (error) {
    throw explained(error, server.said());
  } finally {
    await server.stop();
  }
  await dependencies.records.remove('nbdServer', run);
  if (copied.sizeBytes !== disk.capacityBytes) throw wrongExport(disk);
  const name = diskFileName(disk.label);
  const descriptor = await partial.write(name, formatDescriptor(flat, disk.capacityBytes));
  return {
    disk: {
      label: disk.label,
      capacityBytes: disk.capacityBytes,
      file: name,
      format: 'vmdk-flat',
      originalPath: disk.path,
    },
    files: [
      { path: name, role: 'descriptor', ...descriptor },
      { path: flat, role: 'disk', ...copied },
    ],
    bytes: copied.sizeBytes - offsetBytes,
    durationMs: Date.now() - started,
    transport: input.transport,
    resumedAtBytes: offsetBytes,
  };
}

/** A reader of the export knows only that it failed; the server said why, before it lost its reader. */
function explained(error: unknown, said: string): unknown {
  const reason = said.split('\n').findLast((line) => line !== '' && !line.includes('write reply'));
  if (!isErrorWithCode(error, 'ProgramFailed') || error.retry === 'final' || reason === undefined)
    return error;
  const { code, what, why, hint, retry } = error;
  return new EverthawError({ code, what, why: `${why} (${reason})`, hint, retry, cause: error });
}

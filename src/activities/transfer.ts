import { join } from 'node:path';
import { writeFile, rm } from 'node:fs/promises';
import { cancellationSignal } from '@temporalio/activity';
import { assertNever, EverthawError, isErrorWithCode } from '../domain/errors.js';
import { diskFileName, flatFileName } from '../domain/diskFiles.js';
import { partialName } from '../domain/names.js';
import { formatOwner } from '../domain/owner.js';
import type { DiskResult, Step } from '../domain/runs.js';
import type { Transport } from '../domain/transport.js';
import type { DiskDescription } from '../domain/vm.js';
import { copyToFile, type Copied, type CopyOrder } from '../disks/copier.js';
import { hashFile } from '../disks/hashFile.js';
import { startNbdServer, stopNbdServer } from '../disks/nbdServer.js';
import { checkStreamOptimized } from '../disks/streamOptimized.js';
import { formatDescriptor } from '../disks/vmdkDescriptor.js';
import { makePartial } from '../destinations/directory.js';
import { letGo } from '../holdings/kinds.js';
import { leaseNotes } from '../holdings/lease.js';
import { hostOf, ownerOf, type Dependencies } from './dependencies.js';
import { keptAlive } from './keptAlive.js';
import { pulse } from './pulse.js';

export interface TransferInput extends Step {
  readonly snapshotId: string;
  readonly disk: DiskDescription;
  readonly transport: Transport;
  readonly directory: string;
}

/** Moves one disk of the snapshot into the partial directory. */
export function createTransfer(dependencies: Dependencies) {
  return async function transfer(input: TransferInput): Promise<DiskResult> {
    const partial = partialName(input.directory, input.run.runId);
    const owner = await ownerOf(dependencies, input);
    await dependencies.records.write('partialDirectory', { owner, vmName: input.vm.name, id: partial });
    await makePartial(partial, formatOwner(owner));
    switch (input.transport.via) {
      case 'lease':
        return transferLease(dependencies, input, partial);
      case 'datastore':
        return transferDatastore(dependencies, input, partial);
      default:
        return assertNever(input.transport.via);
    }
  };
}

/** A lease is a stream of the whole disk in the form it is kept in: what an earlier attempt got is of no use. */
async function transferLease(
  dependencies: Dependencies,
  input: TransferInput,
  partial: string,
): Promise<DiskResult> {
  const { disk, vm } = input;
  const started = Date.now();
  const name = diskFileName(disk.label);
  const file = join(partial, name);
  await letGo({ kind: 'exportLease', run: input.run, vm, proxy: input.proxy }, dependencies);
  await rm(file, { force: true });
  // An earlier attempt's lease may have been ended by ending the session that it lived in.
  const host = await hostOf(dependencies, input);
  const notes = leaseNotes('exportLease', dependencies.records, await ownerOf(dependencies, input), vm.name);
  const opened = await host.openLease(vm.instanceUuid, input.snapshotId, disk, notes);
  if (opened.kind !== 'stream') throw wrongExport(disk);
  // How long a compressed stream gets is not known beforehand: its share of the capacity is the best guess there is.
  const fraction = () => Math.min(0.99, (pulse().now.progress?.bytes ?? 0) / disk.capacityBytes);
  const copied = await keptAlive(
    () => opened.keepAlive(fraction()),
    (signal) => copy({ source: opened.source, file, offsetBytes: 0, sparse: false }, disk, signal),
  );
  await checkStreamOptimized(file, disk.capacityBytes, `disk ${disk.label} of "${vm.name}"`);
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

/** Random access: a copy goes on behind the last bytes that are known to be on the disk. */
async function transferDatastore(
  dependencies: Dependencies,
  input: TransferInput,
  partial: string,
): Promise<DiskResult> {
  const { disk, vm, run } = input;
  const started = Date.now();
  const host = await hostOf(dependencies, input);
  const flat = flatFileName(disk.label);
  const file = join(partial, flat);
  const checkpoint = pulse().now.checkpoint;
  const offsetBytes = checkpoint?.file === flat ? checkpoint.durableBytes : 0;
  const directory = dependencies.records.directoryOf('nbdServer', run);
  await stopNbdServer(directory);
  await dependencies.records.write('nbdServer', {
    owner: await ownerOf(dependencies, input),
    vmName: vm.name,
  });
  const opened = await host.openDatastore(vm.instanceUuid, input.snapshotId, disk);
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
    // A long read is no sign of life to the session that pays for it: asking the time is.
    copied = await keptAlive(
      () => host.now(),
      (signal) =>
        copy(
          { source: { socket: server.socket, what }, file, offsetBytes, sparse: true },
          disk,
          signal,
          flat,
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
  await writeFile(join(partial, name), formatDescriptor(flat, disk.capacityBytes));
  const descriptor = await hashFile(join(partial, name), () => undefined, cancellationSignal());
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

/** Copies and tells how far it is; with a checkpoint's name, also from where a later attempt may go on. */
async function copy(
  order: CopyOrder,
  disk: DiskDescription,
  signal: AbortSignal,
  checkpoint?: string,
): Promise<Copied> {
  const keeper = pulse();
  return copyToFile(
    order,
    (bytes, durableBytes) => {
      keeper.progress({ what: `disk ${disk.label}`, bytes, totalBytes: disk.capacityBytes });
      if (checkpoint !== undefined) keeper.checkpoint({ file: checkpoint, durableBytes });
    },
    signal,
  );
}

/** A reader of the export knows only that it failed; the server said why, before it lost its reader. */
function explained(error: unknown, said: string): unknown {
  const reason = said.split('\n').findLast((line) => line !== '' && !line.includes('write reply'));
  if (!isErrorWithCode(error, 'ProgramFailed') || error.retry === 'final' || reason === undefined)
    return error;
  const { code, what, why, hint, retry } = error;
  return new EverthawError({ code, what, why: `${why} (${reason})`, hint, retry, cause: error });
}

function wrongExport(disk: DiskDescription): EverthawError {
  return new EverthawError({
    code: 'HostFault',
    what: `read disk ${disk.label}`,
    why: `what the host offers is not a disk of ${disk.capacityBytes} bytes`,
    hint: 'the disk was changed while the backup began: run it again',
    retry: 'again',
  });
}

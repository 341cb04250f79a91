import { dirname } from 'node:path';
import {
  checkRoom,
  refuseDisk,
  refuseDisks,
  refuseSnapshots,
  refuseTransport,
  refuseUnquiesced,
  takesSnapshot,
} from '../checks/refusals.js';
import { checkDestination, exists, freeBytes } from '../destinations/directory.js';
import { partialName } from '../domain/names.js';
import type { BackupRequest, PreflightResult, Step } from '../domain/runs.js';
import { restorePointOf } from './writeCatalog.js';
import { hostOf, takeLoan, type Dependencies } from './dependencies.js';

export interface PreflightInput extends Step {
  readonly request: BackupRequest;
}

/** What can be known before anything is touched (F1, F7): VM, disks, transport, earlier snapshots, destination, room. */
export function createPreflight(dependencies: Dependencies) {
  return async function preflight(input: PreflightInput): Promise<PreflightResult> {
    const { request, run } = input;
    await takeLoan(dependencies, { ...input, loan: request.loan });
    const host = await hostOf(dependencies, input);
    const vm = await host.describeVm(request.vm.instanceUuid);
    refuseDisks(vm);
    refuseSnapshots(vm, request.snapshotPolicy, run.runId);
    if (takesSnapshot(request)) refuseUnquiesced(vm, request.quiesce);
    refuseTransport(host, vm.name, request.transport);
    for (const disk of vm.disks) await refuseDisk(host, request.transport, vm, disk);
    const resumed =
      (await restorePointOf(request.directory))?.runId === run.runId ||
      (await exists(partialName(request.directory, run.runId)));
    if (!resumed) await checkDestination(request.directory);
    return {
      disks: vm.disks,
      toolsRunning: vm.toolsRunning,
      guestIsOurs: !('scriptsRunBy' in host.guest),
      warnings: [
        ...(takesSnapshot(request) ? await host.checkVm(vm) : []),
        ...(await checkRoom(vm, {
          directory: request.directory,
          freeBytes: () => freeBytes(dirname(request.directory)),
        })),
      ],
    };
  };
}

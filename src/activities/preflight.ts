import { checkRoom, refuseVm } from '../checks/refusals.js';
import { EverthawError } from '../domain/errors.js';
import type { BackupRequest, PreflightResult, Step } from '../domain/runs.js';
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
    const warnings = await refuseVm(host, vm, request, run.runId);
    const destination = await dependencies.destinations.at(request.directory);
    const partial = destination.partialOf(run.runId);
    if (!partial.isHere) refuseFormat(request);
    const resumed = (await destination.restorePoint())?.runId === run.runId || (await partial.exists());
    if (!resumed) await destination.check();
    return {
      disks: vm.disks,
      datastores: vm.datastores,
      toolsRunning: vm.toolsRunning,
      guestIsOurs: !('scriptsRunBy' in host.guest),
      warnings: [...warnings, ...(await checkRoom(vm, destination))],
    };
  };
}

/** To another machine a file goes from front to back. */
function refuseFormat({ vm, diskFormat, directory }: BackupRequest): void {
  if (diskFormat !== 'vmdk') return;
  throw new EverthawError({
    code: 'WrongUsage',
    what: `back up "${vm.name}" to "${directory}" as vmdk`,
    why: 'what converts to vmdk goes back and forth in the file, and a file is sent from front to back',
    hint: 'use --disk-format qcow2 or raw, or back up to a directory of this machine and copy it',
  });
}

import type { OwnerRecord } from '../domain/owner.js';
import type { Step } from '../domain/runs.js';
import type { ReleaseTools } from '../holdings/kind.js';
import type { Host } from '../hosts/host.js';
import type { HostRegister } from '../hosts/register.js';

/** What a worker gives to its activities. */
export interface Dependencies extends ReleaseTools {
  readonly register: HostRegister;
  /** Who this worker is, for owner records. */
  readonly identity: {
    readonly cluster: string;
    readonly namespace: string;
    readonly machineId: string;
    readonly bootId: string;
  };
  readonly version: string;
}

/** The host of a step, in the login session of its run. */
export function hostOf({ hosts }: ReleaseTools, { vm, run }: Pick<Step, 'vm' | 'run'>): Promise<Host> {
  return hosts.open(vm.hostUuid, run.runId);
}

/** The owner record of what a step takes. */
export async function ownerOf(
  dependencies: Dependencies,
  step: Pick<Step, 'run' | 'vm'> & Pick<OwnerRecord, 'kept'>,
): Promise<OwnerRecord> {
  const host = await hostOf(dependencies, step);
  return {
    version: 1,
    cluster: dependencies.identity.cluster,
    namespace: dependencies.identity.namespace,
    workflowId: step.run.workflowId,
    runId: step.run.runId,
    hostUuid: step.vm.hostUuid,
    vmUuid: step.vm.instanceUuid,
    proxy: dependencies.proxy,
    machineId: dependencies.identity.machineId,
    bootId: dependencies.identity.bootId,
    takenAt: (await host.now()).toISOString(),
    ...(step.kept === undefined ? {} : { kept: step.kept }),
  };
}

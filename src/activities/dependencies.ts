import type { OwnerRecord } from '../domain/owner.js';
import type { Step } from '../domain/runs.js';
import type { ReleaseTools } from '../holdings/kind.js';
import type { Host } from '../hosts/host.js';
import type { HostRegister } from '../hosts/register.js';
import type { KeeperPlaces } from '../mounts/keeperOrder.js';

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
  readonly mountPlaces: KeeperPlaces;
  /** The directory below which volumes are mounted for modules of this proxy's own. */
  readonly mounted: string;
}

type OfRun = Pick<Step, 'vm' | 'run'>;

/** The host of a step, in the login session of its run. */
export function hostOf({ hosts }: ReleaseTools, { vm, run }: OfRun): Promise<Host> {
  return hosts.open(vm.hostUuid, run.runId);
}

/** The owner record of what a step takes. */
export async function ownerOf(
  dependencies: Dependencies,
  step: OfRun & Pick<OwnerRecord, 'kept' | 'maximumAgeMs'>,
): Promise<OwnerRecord> {
  const host = await hostOf(dependencies, step);
  const owner = ownerAt(dependencies, step, await host.now());
  const { kept, maximumAgeMs } = step;
  return {
    ...owner,
    ...(maximumAgeMs === undefined ? {} : { maximumAgeMs }),
    ...(kept === undefined ? {} : { kept }),
  };
}

/** The same for what is taken before the host can be asked for the time. */
export function ownerAt({ identity, proxy }: Dependencies, { run, vm }: OfRun, takenAt: Date): OwnerRecord {
  return {
    version: 1,
    cluster: identity.cluster,
    namespace: identity.namespace,
    workflowId: run.workflowId,
    runId: run.runId,
    hostUuid: vm.hostUuid,
    vmUuid: vm.instanceUuid,
    proxy,
    machineId: identity.machineId,
    bootId: identity.bootId,
    takenAt: takenAt.toISOString(),
  };
}

/** Notes whose loan of the host it is: from now on the run logs in by its own, whatever other runs were lent since. */
export function takeLoan(
  dependencies: Dependencies,
  { loan, ...step }: OfRun & { readonly loan: string },
): Promise<void> {
  return dependencies.register.assign(step.vm.hostUuid, loan, ownerAt(dependencies, step, new Date()));
}

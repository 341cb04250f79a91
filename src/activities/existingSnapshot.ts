import { theSnapshot } from '../checks/refusals.js';
import { EverthawError } from '../domain/errors.js';
import { SNAPSHOT_NAME } from '../domain/names.js';
import { parseOwner } from '../domain/owner.js';
import type { CleanupStep, SnapshotPolicy, SnapshotResult, Step } from '../domain/runs.js';
import type { SnapshotInfo } from '../domain/vm.js';
import { hostOf, type Dependencies } from './dependencies.js';

export interface UseSnapshotInput extends Step {
  readonly snapshotPolicy: SnapshotPolicy;
}

/** Finds the snapshot that a run is to use without having taken it (SNAPSHOT_POLICY manual and deleteonly, F3). */
export function createUseSnapshot(dependencies: Dependencies) {
  return async function useSnapshot({
    vm,
    snapshotPolicy,
    ...step
  }: UseSnapshotInput): Promise<SnapshotResult> {
    const host = await hostOf(dependencies, { vm, ...step });
    const there = theSnapshot(vm.name, snapshotPolicy, await host.listSnapshots(vm.instanceUuid));
    return {
      id: there.id,
      takenAt: there.createdAt,
      // What its maker did to the application is not known.
      consistency: there.quiesced ? 'filesystem' : 'crash',
      frozenAtMostMs: 0,
      warnings: [],
    };
  };
}

export interface RemoveSnapshotsInput extends Pick<Step, 'run' | 'vm' | 'proxy'> {
  readonly retries: Step['retries'] | CleanupStep['retries'];
  /** That one alone, where it is known. */
  readonly snapshotId?: string;
}

/**
 * Removes snapshots of exactly our name from this VM, whoever made them: as deleteonly and PREEXISTING_VCB_SNAPSHOT=delete say (F3),
 * and nothing else does. The run's own is not one of them.
 */
export function createRemoveSnapshots(dependencies: Dependencies) {
  return async function removeSnapshots(input: RemoveSnapshotsInput): Promise<number> {
    const { run, vm, snapshotId } = input;
    const host = await hostOf(dependencies, input);
    const isMeant = ({ id, name, description }: SnapshotInfo): boolean =>
      name === SNAPSHOT_NAME &&
      (snapshotId === undefined ? parseOwner(description)?.runId !== run.runId : id === snapshotId);
    const meant = (await host.listSnapshots(vm.instanceUuid)).filter(isMeant);
    for (const { id } of meant) await host.commitSnapshot(vm.instanceUuid, id);
    const absence = await host.snapshotAbsence(vm.instanceUuid, isMeant);
    if (absence.state === 'gone') return meant.length;
    throw new EverthawError({
      code: 'ResourceBusy',
      what: `remove the snapshots ${SNAPSHOT_NAME} of "${vm.name}"`,
      why: absence.why,
      hint: 'see which task of the host works on the VM',
      retry: 'again',
    });
  };
}

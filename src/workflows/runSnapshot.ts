import { CancellationScope } from '@temporalio/workflow';
import { hostQueue } from '../domain/names.js';
import {
  takesSnapshot,
  type PointInTimeRequest,
  type PreflightResult,
  type SnapshotResult,
  type Step,
} from '../domain/runs.js';
import type { Debts } from './debts.js';
import type { RunReport } from './runReport.js';
import { cleaningOn, onHost, onProxy } from './steps.js';

export interface TakenSnapshot {
  readonly snapshot: SnapshotResult;
  readonly letGuestGo: () => Promise<readonly string[]>;
}

/** What an earlier backup left on the VM, where that is to be deleted (F3): if that fails, so does the run. */
export async function removePreexisting(
  { vm, proxy, snapshotPolicy, preexistingSnapshot, preexistingMountPoint }: PointInTimeRequest,
  step: Step,
  report: RunReport,
): Promise<void> {
  if (preexistingMountPoint === 'delete') {
    report.enter('removing what an earlier backup left');
    for (const what of await onProxy(proxy).removeLeftovers(step)) report.note(`removed: ${what}`);
  }
  if (preexistingSnapshot !== 'delete' || !takesSnapshot({ snapshotPolicy })) return;
  report.enter('removing earlier snapshots');
  const removed = await onHost(vm.hostUuid).removeSnapshots(step);
  if (removed > 0) report.note(`${removed} earlier snapshot${removed === 1 ? '' : 's'} removed`);
}

/** The snapshot that somebody took for this run to use. Nobody froze anything for it. */
async function useExisting({ vm, snapshotPolicy }: PointInTimeRequest, step: Step): Promise<TakenSnapshot> {
  const snapshot = await onHost(vm.hostUuid).useSnapshot({ ...step, snapshotPolicy });
  return { snapshot, letGuestGo: () => Promise.resolve([]) };
}

/** What becomes of the snapshot of a backup that is whole; whether it stays. */
export async function endSnapshot(
  { vm, proxy, snapshotPolicy }: PointInTimeRequest,
  { run }: Step,
  snapshot: SnapshotResult,
  debts: Debts,
  report: RunReport,
): Promise<boolean> {
  switch (snapshotPolicy) {
    case 'automatic':
      report.enter('removing the snapshot');
      await debts.letGo('snapshot');
      return false;
    case 'deleteonly':
      report.enter('removing the snapshot');
      await CancellationScope.nonCancellable(() =>
        cleaningOn(hostQueue(vm.hostUuid), 'snapshot').removeSnapshots({
          run,
          vm,
          proxy,
          snapshotId: snapshot.id,
          retries: 'until gone',
        }),
      );
      return false;
    case 'createonly':
      debts.forgive('snapshot');
      return true;
    case 'manual':
      return true;
  }
}

/**
 * Scripts, freeze and snapshot (F1, 2 to 6). Where the guest is ours to let go, that is owed from before it is asked for anything,
 * and to be done as soon as the snapshot stands: `letGuestGo` says what went wrong with it.
 */
async function takeOwn(
  { vm, quiesce, snapshotPolicy, maximumSnapshotAgeMs }: PointInTimeRequest,
  step: Step,
  { toolsRunning, guestIsOurs }: PreflightResult,
  debts: Debts,
  report: RunReport,
): Promise<TakenSnapshot> {
  const { run } = step;
  const steps = onHost(vm.hostUuid);
  const kept = snapshotPolicy === 'createonly' ? { kept: snapshotPolicy } : {};
  const freezing = { ...step, quiesce, toolsRunning, maximumAgeMs: maximumSnapshotAgeMs, ...kept };
  const owesGuest = guestIsOurs && toolsRunning && quiesce !== 'none';
  if (owesGuest) debts.owe({ kind: 'pausedApplication', run, vm });
  const scripts = await steps.freezeScript(freezing);
  report.note(`freeze scripts: ${scripts.ranBy} (${scripts.note})`);
  debts.owe({ kind: 'snapshot', run, vm });
  if (owesGuest) debts.owe({ kind: 'freeze', run, vm });
  const { applicationReady } = scripts;
  const snapshot = await steps.snapshot({ ...freezing, applicationReady });
  if (!owesGuest) return { snapshot, letGuestGo: () => Promise.resolve([]) };
  return { snapshot, letGuestGo: () => letGuestGo(step, debts, report) };
}

/** The guest is thawed, and its application goes on. */
async function letGuestGo(step: Step, debts: Debts, report: RunReport): Promise<readonly string[]> {
  const isThawed = await debts.letGoOfGuest('freeze');
  const { note, warnings } = await onHost(step.vm.hostUuid).thawScript({ ...step, outage: 'waited out' });
  report.note(`post-thaw script: ${note}`);
  const isResumed = await debts.letGoOfGuest('pausedApplication');
  if (isThawed && isResumed) return warnings;
  return [
    ...warnings,
    'the guest does not answer: that it was let go is tried on, and the run does not end before it is',
  ];
}

/** The run's point in time: by a snapshot of its own, or by the one that its policy names. */
export function takeOrUse(
  request: PointInTimeRequest,
  step: Step,
  preflight: PreflightResult,
  debts: Debts,
  report: RunReport,
): Promise<TakenSnapshot> {
  report.enter('snapshot');
  return takesSnapshot(request)
    ? takeOwn(request, step, preflight, debts, report)
    : useExisting(request, step);
}

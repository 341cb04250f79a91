import { ApplicationFailure, CancellationScope, isCancellation } from '@temporalio/workflow';
import { formatBytes, formatDuration } from '../domain/format.js';
import { HOLDING_OF_TRANSPORT } from '../domain/holding.js';
import { partialName } from '../domain/names.js';
import type {
  BackupRequest,
  BackupResult,
  DiskResult,
  PreflightResult,
  SnapshotResult,
  Step,
} from '../domain/runs.js';
import { formatTransport, type Transport } from '../domain/transport.js';
import type { DiskDescription } from '../domain/vm.js';
import type { Debts } from './debts.js';
import { heldRun, StoppedByOperator, type HeldRun } from './heldRun.js';
import { holdingWhileFull } from './hold.js';
import type { RunReport } from './runReport.js';
import { movingOnProxy, onHost, onProxy } from './steps.js';
import { together } from './together.js';

/** Disks of a run that are moved at the same time. A run holds one lease and one NBD server at most: their notes are named after it. */
const DISKS_AT_ONCE = { lease: 1, datastore: 1, export: 2 } as const satisfies Record<
  Transport['via'],
  number
>;

/**
 * One VM's image-level backup (F1): preflight, freeze scripts, snapshot, transfer of every disk, catalog and manifest,
 * removal of the snapshot. Whatever it took is let go again, however it ends.
 */
export function backupVm(request: BackupRequest): Promise<BackupResult> {
  return heldRun(`Backup of "${request.vm.name}"`, request, (held) => backup(request, held));
}

async function backup(request: BackupRequest, held: HeldRun): Promise<BackupResult> {
  const { run, debts, report } = held;
  const { vm, proxy, transport, directory, retries } = request;
  const step: Step = { run, vm, proxy, retries };
  const startedAt = Date.now();

  debts.owe({ kind: 'loginSession', run, vm, proxy });
  report.enter('preflight');
  const preflight = await onProxy(proxy).preflight({ ...step, request });

  report.enter('snapshot');
  const { snapshot, letGuestGo } = await takeSnapshot(request, step, preflight, debts, report);
  const snapshotAt = Date.now();
  report.note(`snapshot ${snapshot.id}, ${snapshot.consistency}-consistent`);

  debts.owe({ kind: 'partialDirectory', run, vm, proxy, directory: partialName(directory, run.runId) });
  const reader = HOLDING_OF_TRANSPORT[transport.via];
  if (reader !== undefined) debts.owe({ kind: reader, run, vm, proxy });
  const [guestWarnings, { disks, warnings }] = await withinAge(request, () =>
    together([letGuestGo, () => moveDisks(request, held, snapshot, preflight.disks)]),
  );

  report.enter('removing the snapshot');
  await debts.letGo('snapshot');
  const endedAt = Date.now();
  report.note(`${formatDuration(endedAt - snapshotAt)} in snapshot`);
  return {
    state: 'succeeded',
    directory,
    consistency: snapshot.consistency,
    pointInTime: snapshot.takenAt,
    disks: disks.map(({ disk, files, bytes, durationMs, transport: used }) => ({
      label: disk.label,
      bytes,
      bytesPerSecond: Math.round((bytes * 1000) / Math.max(1, durationMs)),
      transport: formatTransport(used),
      sha256: files.find(({ role }) => role === 'disk')?.sha256 ?? '',
    })),
    frozenAtMostMs: snapshot.frozenAtMostMs,
    inSnapshotMs: endedAt - snapshotAt,
    durationMs: endedAt - startedAt,
    warnings: [...preflight.warnings, ...snapshot.warnings, ...guestWarnings, ...warnings],
  };
}

/**
 * Scripts, freeze and snapshot (F1, 2 to 6). Where the guest is ours to let go, that is owed from before it is asked for anything,
 * and to be done as soon as the snapshot stands: `letGuestGo` says what went wrong with it.
 */
async function takeSnapshot(
  { vm, quiesce }: BackupRequest,
  step: Step,
  { toolsRunning, guestIsOurs }: PreflightResult,
  debts: Debts,
  report: RunReport,
): Promise<{ snapshot: SnapshotResult; letGuestGo: () => Promise<readonly string[]> }> {
  const { run } = step;
  const steps = onHost(vm.hostUuid);
  const freezing = { ...step, quiesce, toolsRunning };
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
  const { note, warnings } = await onHost(step.vm.hostUuid).thawScript(step);
  report.note(`post-thaw script: ${note}`);
  const isResumed = await debts.letGoOfGuest('pausedApplication');
  if (isThawed && isResumed) return warnings;
  return [
    ...warnings,
    'the guest does not answer: that it was let go is tried on, and the run does not end before it is',
  ];
}

async function moveDisks(
  request: BackupRequest,
  held: HeldRun,
  snapshot: SnapshotResult,
  wanted: readonly DiskDescription[],
): Promise<{ disks: readonly DiskResult[]; warnings: readonly string[] }> {
  const { vm, proxy, retries, transport, directory } = request;
  const { run, report, operator } = held;
  // The snapshot stands: from here on an outage costs time, which its age limits.
  const step: Step = { run, vm, proxy, retries, outage: 'waited out' };
  const moveDisk = async (disk: DiskDescription): Promise<DiskResult | undefined> => {
    if (operator.stopsAfterDisk) return undefined;
    report.enter(`transfer of disk ${disk.label}`);
    const result = await holdingWhileFull(held, request, step, snapshot, (resumeFrom) =>
      movingOnProxy(proxy, `disk ${disk.label}`).transfer({
        ...step,
        snapshotId: snapshot.id,
        disk,
        transport,
        directory,
        ...(request.diskFormat === undefined ? {} : { diskFormat: request.diskFormat }),
        ...(resumeFrom === undefined ? {} : { resumeFrom }),
      }),
    );
    report.note(
      `disk ${disk.label}: ${formatBytes(result.bytes)} in ${formatDuration(result.durationMs)} by ${formatTransport(transport)}`,
    );
    return result;
  };
  const moved = await together(
    wanted.map((disk) => () => moveDisk(disk)),
    DISKS_AT_ONCE[transport.via],
  );
  const disks = moved.filter((disk) => disk !== undefined);
  if (disks.length < wanted.length) throw new StoppedByOperator('no further disk was wanted');
  report.enter('catalog');
  const { warnings } = await holdingWhileFull(held, request, step, snapshot, () =>
    movingOnProxy(proxy, 'catalog and manifest').writeCatalog({
      ...step,
      directory,
      snapshot,
      disks,
      transport,
    }),
  );
  return { disks, warnings };
}

/** Gives up when the snapshot gets too old: a datastore that fills up stops VMs, a missing backup does not. */
async function withinAge<T>({ vm, maximumSnapshotAgeMs }: BackupRequest, work: () => Promise<T>): Promise<T> {
  const scope = new CancellationScope({ timeout: maximumSnapshotAgeMs, cancellable: true });
  try {
    return await scope.run(work);
  } catch (error) {
    if (!isCancellation(error) || CancellationScope.current().consideredCancelled) throw error;
    throw ApplicationFailure.nonRetryable(
      `back up "${vm.name}": the snapshot reached its maximum age of ${formatDuration(maximumSnapshotAgeMs)}, so the run gave up and removed it. Hint: find out what made it slow, or raise the maximum snapshot age`,
      'SnapshotTooOld',
    );
  }
}

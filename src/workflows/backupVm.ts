import { formatDuration } from '../domain/format.js';
import { HOLDING_OF_TRANSPORT } from '../domain/holding.js';
import { partialName } from '../domain/names.js';
import type { BackupRequest, BackupResult, Step } from '../domain/runs.js';
import { formatTransport } from '../domain/transport.js';
import { Handover } from './handover.js';
import { heldRun, type HeldRun } from './heldRun.js';
import { moveDisks } from './moveDisks.js';
import { preflightInTurn } from './permit.js';
import { endSnapshot, removePreexisting, takeOrUse } from './runSnapshot.js';
import { onProxy } from './steps.js';
import { together } from './together.js';
import { withinAge } from './withinAge.js';

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
  const handover = request.handover === true ? new Handover(held) : undefined;

  debts.owe({ kind: 'loginSession', run, vm, proxy });
  await removePreexisting(request, step, report);
  const preflight = await preflightInTurn(request, held, () =>
    onProxy(proxy).preflight({ ...step, request }),
  );

  const { snapshot, letGuestGo } = await takeOrUse(request, step, preflight, debts, report);
  const snapshotAt = Date.now();
  report.note(`snapshot ${snapshot.id}, ${snapshot.consistency}-consistent`);

  // What other software is given is owed from before it is there, so that it goes when the run ends, however it does.
  if (handover !== undefined) debts.owe({ kind: 'stagedExport', run, vm, proxy, directory });
  debts.owe({ kind: 'partialDirectory', run, vm, proxy, directory: partialName(directory, run.runId) });
  const reader = HOLDING_OF_TRANSPORT[transport.via];
  if (reader !== undefined) debts.owe({ kind: reader, run, vm, proxy });
  const [guestWarnings, { disks, warnings }] = await withinAge(request, () =>
    together([letGuestGo, () => moveDisks(request, held, snapshot, preflight.disks)]),
  );

  const isLeft = await endSnapshot(request, step, snapshot, debts, report);
  await held.permit.giveBack();
  const endedAt = Date.now();
  report.note(`${formatDuration(endedAt - snapshotAt)} in snapshot`);
  report.made(disks.reduce((sum, { bytes }) => sum + bytes, 0));
  const late =
    (await handover?.wait({ directory }, Math.max(0, snapshotAt + request.maximumSnapshotAgeMs - endedAt))) ??
    [];
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
    ...(isLeft ? { snapshotLeft: snapshot.id } : {}),
    frozenAtMostMs: snapshot.frozenAtMostMs,
    inSnapshotMs: endedAt - snapshotAt,
    durationMs: endedAt - startedAt,
    warnings: [...preflight.warnings, ...snapshot.warnings, ...guestWarnings, ...warnings, ...late],
  };
}

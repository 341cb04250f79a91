import { formatDuration } from '../domain/format.js';
import type { MountRequest, MountResult, SnapshotResult, Step } from '../domain/runs.js';
import { firstOf } from './firstOf.js';
import { Handover } from './handover.js';
import { heldRun, type HeldRun } from './heldRun.js';
import { preflightInTurn } from './permit.js';
import { endSnapshot, removePreexisting, takeOrUse } from './runSnapshot.js';
import { movingOnProxy, onProxy } from './steps.js';
import { together } from './together.js';
import { withinAge } from './withinAge.js';

/**
 * One VM's volumes, mounted read-only for other software (F1, F11): preflight, freeze scripts, snapshot, mount; then it waits for that
 * software, and lets go of mounts and snapshot.
 */
export function mountVm(request: MountRequest): Promise<MountResult> {
  return heldRun(`Volumes of "${request.vm.name}"`, request, (held) => mount(request, held));
}

async function mount(request: MountRequest, held: HeldRun): Promise<MountResult> {
  const { run, debts, report } = held;
  const { vm, proxy, directory, retries, maximumSnapshotAgeMs } = request;
  const step: Step = { run, vm, proxy, retries };
  const startedAt = Date.now();
  const handover = new Handover(held);

  debts.owe({ kind: 'loginSession', run, vm, proxy });
  await removePreexisting(request, step, report);
  const preflight = await preflightInTurn(request, held, () =>
    onProxy(proxy).preflightMount({ ...step, request }),
  );

  const { snapshot, letGuestGo } = await takeOrUse(request, step, preflight, debts, report);
  const snapshotAt = Date.now();
  report.note(`snapshot ${snapshot.id}, ${snapshot.consistency}-consistent`);

  debts.owe({ kind: 'volumeMount', run, vm, proxy, directory });
  report.enter('mount');
  const late: string[] = [];
  const [guestWarnings, { volumes, notes }] = await withinAge(request, () =>
    together([
      letGuestGo,
      () =>
        movingOnProxy(proxy, directory).mount({
          ...step,
          outage: 'waited out',
          snapshotId: snapshot.id,
          request,
          directory,
          disks: preflight.disks,
        }),
    ]),
  );
  for (const { name, directory: at } of volumes) report.note(`${name} at ${at}`);
  for (const note of notes) report.note(note);

  const restMs = Math.max(0, snapshotAt + maximumSnapshotAgeMs - Date.now());
  await firstOf(
    () => watchMounts(request, step, snapshot),
    async () => {
      late.push(...(await handover.wait({ directory, volumes, notes }, restMs)));
    },
  );
  // Who was done is told that it read what there was; who was late is told so anyway.
  if (late.length === 0)
    await onProxy(proxy).checkMounts({ ...step, outage: 'waited out', snapshotId: snapshot.id, directory });
  report.enter('unmount');
  await debts.letGo('volumeMount');
  const isLeft = await endSnapshot(request, step, snapshot, debts, report);
  const endedAt = Date.now();
  report.note(`${formatDuration(endedAt - snapshotAt)} in snapshot`);
  return {
    state: 'succeeded',
    directory,
    volumes,
    notes,
    consistency: snapshot.consistency,
    pointInTime: snapshot.takenAt,
    ...(isLeft ? { snapshotLeft: snapshot.id } : {}),
    inSnapshotMs: endedAt - snapshotAt,
    durationMs: endedAt - startedAt,
    warnings: [...preflight.warnings, ...snapshot.warnings, ...guestWarnings, ...late],
  };
}

/** Ends when a layer of the mounts is lost, or the VM is in danger, with an error: whoever reads there reads no more. */
function watchMounts(
  { vm, proxy, directory }: MountRequest,
  step: Step,
  { id: snapshotId }: SnapshotResult,
): Promise<void> {
  return movingOnProxy(proxy, `volumes of ${vm.name}`).watchMounts({
    ...step,
    outage: 'waited out',
    snapshotId,
    directory,
  });
}

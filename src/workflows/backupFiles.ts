import { formatBytes, formatDuration } from '../domain/format.js';
import type { ErrorCode } from '../domain/errors.js';
import { filePointName } from '../domain/filePoints.js';
import { partialName } from '../domain/names.js';
import type {
  FileBackupRequest,
  FileBackupResult,
  FilePreflightResult,
  SnapshotResult,
  Step,
} from '../domain/runs.js';
import { heldRun, type HeldRun } from './heldRun.js';
import { holdingWhileFull } from './hold.js';
import { preflightInTurn } from './permit.js';
import { endSnapshot, removePreexisting, takeOrUse } from './runSnapshot.js';
import { failureOf, movingOnProxy, onProxy } from './steps.js';
import { together } from './together.js';
import { withinAge } from './withinAge.js';

const LOST = 'MountLost' satisfies ErrorCode;
/** How often volumes are mounted whose mounts are lost again. */
const MOST_MOUNTS = 3;

/**
 * A file-level backup of one VM (F6): preflight, freeze scripts, snapshot, its volumes mounted for this run alone; a module carries the files, and
 * the restore point is made; then mounts and snapshot are let go.
 */
export function backupFiles(request: FileBackupRequest): Promise<FileBackupResult> {
  return heldRun(`Files of "${request.vm.name}"`, request, (held) => backup(request, held));
}

async function backup(request: FileBackupRequest, held: HeldRun): Promise<FileBackupResult> {
  const { run, debts, report } = held;
  const { vm, proxy, points, retries, module } = request;
  const step: Step = { run, vm, proxy, retries };
  const startedAt = Date.now();

  debts.owe({ kind: 'loginSession', run, vm, proxy });
  await removePreexisting(request, step, report);
  const preflight = await preflightInTurn(request, held, () =>
    onProxy(proxy).preflightFiles({ ...step, request }),
  );

  const { snapshot, letGuestGo } = await takeOrUse(request, step, preflight, debts, report);
  const snapshotAt = Date.now();
  report.note(`snapshot ${snapshot.id}, ${snapshot.consistency}-consistent`);

  const directory = `${points}/${filePointName(new Date(snapshot.takenAt))}`;
  debts.owe({ kind: 'partialDirectory', run, vm, proxy, directory: partialName(directory, run.runId) });
  const [guestWarnings, { moved, notes }] = await withinAge(request, () =>
    together([letGuestGo, () => moveMounted(request, held, preflight, snapshot, directory)]),
  );
  const { content, lastLines } = moved;
  report.enter('unmount');
  await debts.letGo('volumeMount');
  const isLeft = await endSnapshot(request, step, snapshot, debts, report);
  const endedAt = Date.now();
  const bytes = content.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  report.note(`${content.kind} ${directory}: ${formatBytes(bytes)}`);
  report.made(bytes);
  report.note(`${formatDuration(endedAt - snapshotAt)} in snapshot`);
  return {
    state: 'succeeded',
    ...{ directory, kind: content.kind, module: module.name, bytes, lastLines },
    ...(content.base === undefined ? {} : { base: content.base.directory }),
    ...(content.fullBecause === undefined ? {} : { fullBecause: content.fullBecause }),
    volumes: content.volumes.map(({ id, name, archive, snapshot: kept, place, limits }) => {
      const keptIn = archive ?? kept ?? place;
      return {
        name: name ?? id,
        ...(keptIn === undefined ? {} : { keptIn }),
        ...(limits === undefined ? {} : { limits }),
      };
    }),
    notKept: [...notes, ...content.notKept],
    consistency: snapshot.consistency,
    pointInTime: snapshot.takenAt,
    ...(isLeft ? { snapshotLeft: snapshot.id } : {}),
    inSnapshotMs: endedAt - snapshotAt,
    durationMs: endedAt - startedAt,
    warnings: [...preflight.warnings, ...snapshot.warnings, ...guestWarnings],
  };
}

/** Mounts, moves and finishes. Where a layer of the mounts dies, what was moved is moved again from new ones. */
async function moveMounted(
  request: FileBackupRequest,
  held: HeldRun,
  { disks, mountsAt }: FilePreflightResult,
  snapshot: SnapshotResult,
  directory: string,
) {
  const { run, debts, report } = held;
  const { vm, proxy, retries, module, kind } = request;
  // The snapshot stands: from here on an outage costs time, which its age limits.
  const step: Step = { run, vm, proxy, retries, outage: 'waited out' };
  for (let mounts = 1; ; mounts++) {
    debts.owe({ kind: 'volumeMount', run, vm, proxy, directory: mountsAt });
    report.enter('mount');
    const { notes } = await movingOnProxy(proxy, `volumes of ${vm.name}`).mount({
      ...step,
      snapshotId: snapshot.id,
      request,
      directory: mountsAt,
      disks,
    });
    try {
      report.enter(`${kind} backup of files by ${module.name}`);
      const moved = await holdingWhileFull(held, { directory }, step, snapshot, () =>
        movingOnProxy(proxy, `files of ${vm.name}`).moveFiles({
          ...{ ...step, request, snapshot, directory, mountsAt },
          pointName: filePointName(new Date(snapshot.takenAt)),
        }),
      );
      report.enter('manifest');
      await holdingWhileFull(held, { directory }, step, snapshot, () =>
        movingOnProxy(proxy, 'manifest').finishFiles({ ...step, request, snapshot, directory, moved }),
      );
      return { moved, notes };
    } catch (error) {
      if (failureOf(error)?.type !== LOST || mounts === MOST_MOUNTS) throw error;
      report.note('the mounts were lost, and are made again');
      await debts.letGo('volumeMount');
    }
  }
}

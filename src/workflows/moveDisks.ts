import { formatBytes, formatDuration } from '../domain/format.js';
import type { BackupRequest, DiskResult, SnapshotResult, Step } from '../domain/runs.js';
import { formatTransport, type Transport } from '../domain/transport.js';
import type { DiskDescription } from '../domain/vm.js';
import { StoppedByOperator, type HeldRun } from './heldRun.js';
import { holdingWhileFull } from './hold.js';
import { movingOnProxy } from './steps.js';
import { together } from './together.js';

/** Disks of a run that are moved at the same time. A run holds one lease and one NBD server at most: their notes are named after it. */
const DISKS_AT_ONCE = { lease: 1, datastore: 1, export: 2 } as const satisfies Record<
  Transport['via'],
  number
>;

/** Moves every disk of the snapshot, then makes the whole a restore point. */
export async function moveDisks(
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
        maximumAgeMs: request.maximumSnapshotAgeMs,
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
      handover: request.handover === true,
    }),
  );
  return { disks, warnings };
}

import { ApplicationFailure, CancellationScope, isCancellation } from '@temporalio/workflow';
import { formatDuration } from '../domain/format.js';
import type { PointInTimeRequest } from '../domain/runs.js';

/** Gives up when the snapshot gets too old: a datastore that fills up stops VMs, a missing backup does not. */
export async function withinAge<T>(
  { vm, maximumSnapshotAgeMs }: PointInTimeRequest,
  work: () => Promise<T>,
): Promise<T> {
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

import type { ErrorCode } from '../domain/errors.js';
import type { Checkpoint, FailureDetails, SnapshotResult, Step } from '../domain/runs.js';
import { firstOf } from './firstOf.js';
import type { HeldRun } from './heldRun.js';
import { failureOf, movingOnProxy } from './steps.js';

const FULL = 'DestinationFull' satisfies ErrorCode;

/**
 * Does a step that writes to the destination. Where that is full the run is held, until there is room or an operator says to go on; then
 * the step goes on behind its checkpoint. The snapshot's age runs on, and the VM is watched.
 */
export async function holdingWhileFull<T>(
  { operator, report }: HeldRun,
  { directory }: { readonly directory: string },
  step: Step,
  snapshot: SnapshotResult,
  work: (resumeFrom: Checkpoint | undefined) => Promise<T>,
): Promise<T> {
  let resumeFrom: Checkpoint | undefined;
  // Only one attempt in vain goes by what room there seems to be: a quota is not seen.
  let mayGoOn = true;
  while (true) {
    try {
      return await work(resumeFrom);
    } catch (error) {
      const failure = failureOf(error);
      if (failure?.type !== FULL) throw error;
      const [details] = (failure.details ?? []) as readonly FailureDetails[];
      resumeFrom = details?.checkpoint ?? resumeFrom;
      report.hold('held: the destination is full');
      await firstOf(
        () =>
          movingOnProxy(step.proxy, directory)
            .waitForRoom({ ...step, snapshotId: snapshot.id, directory, mayGoOn })
            .then((isWaitedFor) => void (mayGoOn = isWaitedFor)),
        () => operator.saysResume(),
      );
      report.goOn();
    }
  }
}

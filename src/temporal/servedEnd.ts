import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowExecutionDescription, WorkflowHandle } from '@temporalio/client';
import { EverthawError } from '../domain/errors.js';

const LOOK_MS = 1000;
/** The API's number of what waits to be taken; its enums are in a package that is the SDK's own. */
const SCHEDULED = 1;

/** What a run waits to be taken by a worker, and how long it may wait before nobody is taken to be there. */
interface Waiting {
  /** The same as long as it is the same wait. */
  readonly key: string;
  readonly what: string;
  readonly patienceMs: number;
}

/** Waits until a run has ended, however it did. @throws EverthawError WorkerMissing where no worker is there to end it */
export async function servedEnd(handle: WorkflowHandle): Promise<void> {
  const ended = new AbortController();
  const end = handle.result().catch(() => undefined);
  await Promise.race([end, refuseUnserved(handle, ended.signal)]).finally(() => {
    ended.abort();
  });
}

/** Time is counted here: the server's clock may be another. */
async function refuseUnserved(handle: WorkflowHandle, signal: AbortSignal): Promise<void> {
  let since = new Map<string, number>();
  while (!signal.aborted) {
    const waiting = await handle.describe().then(waitingIn, () => []);
    since = new Map(waiting.map(({ key }) => [key, since.get(key) ?? performance.now()]));
    for (const { key, what, patienceMs } of waiting) {
      const waitedMs = performance.now() - (since.get(key) ?? performance.now());
      if (waitedMs >= patienceMs) throw unserved(handle.workflowId, what, waitedMs);
    }
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}

function waitingIn({ raw }: WorkflowExecutionDescription): readonly Waiting[] {
  const { pendingWorkflowTask: decision, pendingActivities } = raw;
  const steps = (pendingActivities ?? []).filter(
    // One that is tried again later waits for its time.
    ({ state, nextAttemptScheduleTime }) => Number(state) === SCHEDULED && nextAttemptScheduleTime == null,
  );
  return [
    // A worker takes as many of these as come.
    ...(Number(decision?.state) === SCHEDULED
      ? [{ key: String(decision?.scheduledTime?.seconds), what: 'its next step', patienceMs: 30_000 }]
      : []),
    // These wait also where a worker has its hands full.
    ...steps.map(({ activityId, activityType, attempt }) => ({
      key: `${String(activityId)} ${String(attempt)}`,
      what: `its step ${String(activityType?.name)}`,
      patienceMs: 300_000,
    })),
  ];
}

function unserved(workflowId: string, what: string, waitedMs: number): EverthawError {
  return new EverthawError({
    code: 'WorkerMissing',
    what: `end the run ${workflowId}`,
    why: `it was told to end, and no worker has taken ${what} for ${Math.round(waitedMs / 1000)} s`,
    hint: 'start the worker of its proxy (everthaw worker): the run then ends by itself; call this again to wait for it and to clean up',
  });
}

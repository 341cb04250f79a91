import { CancellationScope, workflowInfo } from '@temporalio/workflow';
import { JOB_RETRIES, NOTIFY_RETRIES, type JobDefinition } from '../domain/jobs.js';
import { isWanted, MOST_TOLD, type Notification } from '../domain/notification.js';
import { failureOf, onProxy } from './steps.js';

/** What a job knows of how it ended. */
export type JobEnd = Pick<Notification, 'state' | 'reason' | 'counts' | 'notable'> & {
  readonly startedAt: number;
};

/**
 * Tells everybody who wants to know how a run of a job ended, also where it was cancelled. Whoever cannot be told changes nothing of how it
 * ended.
 *
 * @returns who could not be told, and why, as lines
 */
export function notifyAll(job: JobDefinition, end: JobEnd): Promise<readonly string[]> {
  const { notify = [] } = job;
  if (notify.length === 0) return Promise.resolve([]);
  return CancellationScope.nonCancellable(async () => {
    const notification = await notificationOf(job, end);
    const wanted = notify.filter(({ on }) => isWanted(on, notification));
    const lines = await Promise.all(
      wanted.map(async ({ to }) => {
        try {
          await onProxy(job.proxy, to).notify({ job, to, notification, retries: NOTIFY_RETRIES });
          return [];
        } catch (error) {
          return [`not told: ${failureOf(error)?.message ?? String(error)}`];
        }
      }),
    );
    return lines.flat();
  });
}

async function notificationOf(
  job: JobDefinition,
  { startedAt, notable, ...end }: JobEnd,
): Promise<Notification> {
  const { workflowId, firstExecutionRunId } = workflowInfo();
  // Where it cannot be known, it is told as if it were the first run.
  const before = await onProxy(job.proxy)
    .lastJobState({ job, retries: JOB_RETRIES })
    .catch(() => null);
  return {
    ...{ ...end, job: job.name, proxy: job.proxy, workflowId, runId: firstExecutionRunId },
    ...(before === null ? {} : { before }),
    notable: notable.slice(0, MOST_TOLD),
    startedAt: new Date(startedAt).toISOString(),
    durationMs: Date.now() - startedAt,
  };
}

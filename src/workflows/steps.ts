import {
  ActivityFailure,
  ApplicationFailure,
  proxyActivities,
  type ActivityInterfaceFor,
  type ActivityOptions,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.js';
import { hostQueue, proxyQueue } from '../domain/names.js';

type Steps = ActivityInterfaceFor<Activities>;

/**
 * Short intervals and no limit of attempts: a worker's death costs seconds and is nobody's failure. How often the operation
 * itself may fail is counted by the activity (src/activities/interceptor.ts).
 */
const RETRY = { initialInterval: 500, backoffCoefficient: 2, maximumInterval: 10_000 } as const;

const COMMON = {
  heartbeatTimeout: 10_000,
  // The run does not go on to clean up what an activity still works on.
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry: RETRY,
} as const satisfies ActivityOptions;

/** A step on the host alone: any proxy that knows the host does it. */
export function onHost(hostUuid: string, summary?: string): Steps {
  return proxyActivities<Activities>({
    ...COMMON,
    taskQueue: hostQueue(hostUuid),
    startToCloseTimeout: '1 hour',
    ...summaryOf(summary),
  });
}

/** A step on one proxy. */
export function onProxy(proxy: string, summary?: string): Steps {
  return proxyActivities<Activities>({
    ...COMMON,
    taskQueue: proxyQueue(proxy),
    startToCloseTimeout: '1 hour',
    ...summaryOf(summary),
  });
}

/** A step that moves a disk's bytes, however many they are: the run's age ends it, not a time-out of its own. */
export function movingOnProxy(proxy: string, summary: string): Steps {
  return proxyActivities<Activities>({
    ...COMMON,
    taskQueue: proxyQueue(proxy),
    startToCloseTimeout: '30 days',
    summary,
  });
}

/** The same on the host alone. */
export function movingOnHost(hostUuid: string, summary: string): Steps {
  return proxyActivities<Activities>({
    ...COMMON,
    taskQueue: hostQueue(hostUuid),
    startToCloseTimeout: '30 days',
    summary,
  });
}

/** Clean-up: retried for ever, at growing intervals. */
export function cleaningOn(queue: string, summary: string): Steps {
  return proxyActivities<Activities>({
    ...COMMON,
    taskQueue: queue,
    startToCloseTimeout: '1 hour',
    retry: { initialInterval: 500, backoffCoefficient: 1.7, maximumInterval: '1 minute' },
    summary,
  });
}

/** What a step failed with, where it failed by itself: its type is the error's code. */
export function failureOf(error: unknown): ApplicationFailure | undefined {
  const cause = error instanceof ActivityFailure ? error.cause : undefined;
  return cause instanceof ApplicationFailure ? cause : undefined;
}

function summaryOf(summary: string | undefined): ActivityOptions {
  return summary === undefined ? {} : { summary };
}

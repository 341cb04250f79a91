import type { Client } from '@temporalio/client';

/** The SDK's number of the kind of queue that activities wait in. */
const ACTIVITY_QUEUE = 2;

/** Who serves a queue's steps: workers that asked for one within the last minutes, by their identities. */
export async function pollersOf(
  { workflowService, options }: Client,
  queue: string,
): Promise<readonly string[]> {
  const { pollers } = await workflowService.describeTaskQueue({
    namespace: options.namespace,
    taskQueue: { name: queue },
    taskQueueType: ACTIVITY_QUEUE,
  });
  return (pollers ?? []).flatMap(({ identity }) => identity ?? []);
}

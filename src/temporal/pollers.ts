import type { Client } from '@temporalio/client';

/** The API's number of the kind of queue that activities wait in; its enum is in a package that is the SDK's own. */
const ACTIVITY_QUEUE = 2 as never;

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
  return pollers.flatMap(({ identity }) => identity ?? []);
}

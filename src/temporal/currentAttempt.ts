import type { Info } from '@temporalio/activity';
import type { Client } from '@temporalio/client';

/** Whether an attempt of an activity is still the one that the server waits for. */
export async function isCurrentAttempt(
  client: Client,
  { workflowExecution, activityId, attempt }: Pick<Info, 'workflowExecution' | 'activityId' | 'attempt'>,
): Promise<boolean> {
  const { workflowId, runId } = workflowExecution ?? { workflowId: '', runId: '' };
  const { raw } = await client.workflow.getHandle(workflowId, runId).describe();
  return (
    raw.pendingActivities?.some((there) => there.activityId === activityId && there.attempt === attempt) ??
    false
  );
}

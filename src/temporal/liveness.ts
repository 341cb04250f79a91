import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { OwnerRecord } from '../domain/owner.js';
import type { Liveness } from '../domain/release.js';

/**
 * Asks a server whether the run that a record names is living: by describing it, for visibility lags behind. An empty run id asks
 * for the latest run of that workflow id.
 */
export async function askLiveness(
  client: Client,
  { workflowId, runId }: Pick<OwnerRecord, 'workflowId' | 'runId'>,
): Promise<Liveness> {
  try {
    const { status } = await describe(client, workflowId, runId);
    if (isLiving(status)) return { state: 'living' };
    // A run that was reset goes on under another id, in the same chain.
    const latest = await describe(client, workflowId);
    if (isLiving(latest.status) && latest.raw.workflowExecutionInfo?.firstRunId === runId)
      return { state: 'living' };
    return { state: 'closed', status: status.name.toLowerCase() };
  } catch (error) {
    return error instanceof WorkflowNotFoundError
      ? { state: 'unknown to its cluster' }
      : { state: 'unreachable' };
  }
}

function describe(client: Client, workflowId: string, runId?: string) {
  return client.workflow.getHandle(workflowId, runId === '' ? undefined : runId).describe();
}

function isLiving({ name }: { readonly name: string }): boolean {
  return name === 'RUNNING' || name === 'PAUSED';
}

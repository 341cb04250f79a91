import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { OwnerRecord } from '../domain/owner.js';
import type { Liveness } from '../domain/release.js';

/** Asks a server whether the run that a record names is living: by describing it, for visibility lags behind. */
export async function askLiveness(
  client: Client,
  owner: Pick<OwnerRecord, 'workflowId' | 'runId'>,
): Promise<Liveness> {
  try {
    const { status } = await client.workflow.getHandle(owner.workflowId, owner.runId).describe();
    return status.name === 'RUNNING' || status.name === 'PAUSED'
      ? { state: 'living' }
      : { state: 'closed', status: status.name.toLowerCase() };
  } catch (error) {
    return error instanceof WorkflowNotFoundError
      ? { state: 'unknown to its cluster' }
      : { state: 'unreachable' };
  }
}

import type { Client } from '@temporalio/client';
import { PERMIT_ASKED_SIGNAL, PERMITS_WORKFLOW_ID, WORKFLOW_QUEUE } from '../domain/names.js';
import type { PermitWish } from '../domain/permits.js';
import { keyword } from './searchAttributes.js';

/** Asks for a permit whoever hands them out in this namespace; where nobody does, that is begun. */
export async function askPermit(client: Client, wish: PermitWish): Promise<void> {
  await client.workflow.signalWithStart('permits', {
    workflowId: PERMITS_WORKFLOW_ID,
    taskQueue: WORKFLOW_QUEUE,
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    args: [],
    signal: PERMIT_ASKED_SIGNAL,
    signalArgs: [wish],
    staticSummary: 'permits to have a snapshot open',
    typedSearchAttributes: [keyword('kind', 'permits'), keyword('state', 'running')],
  });
}

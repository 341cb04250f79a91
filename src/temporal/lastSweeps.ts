import type { Client } from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import { SEARCH_ATTRIBUTES } from '../domain/names.js';
import type { SweepResult } from '../domain/runs.js';

/** So many are looked through for one of each proxy. */
const MOST_LOOKED = 200;

export interface LastSweep {
  readonly proxy: string;
  readonly endedAt: Date;
  readonly result: SweepResult;
}

/** Of each proxy the last sweep that ended. */
export async function lastSweeps(client: Client): Promise<readonly LastSweep[]> {
  const found = new Map<string, LastSweep>();
  const { kind, proxy: attribute } = SEARCH_ATTRIBUTES;
  const query = `${kind} = "sweep" AND ExecutionStatus = "Completed"`;
  let looked = 0;
  for await (const { workflowId, runId, closeTime, typedSearchAttributes } of client.workflow.list({
    query,
  })) {
    if (++looked > MOST_LOOKED) break;
    const proxy = typedSearchAttributes.get(defineSearchAttributeKey(attribute, 'KEYWORD'));
    if (proxy === undefined || closeTime === undefined || found.has(proxy)) continue;
    const result = await client.workflow.getHandle<() => Promise<SweepResult>>(workflowId, runId).result();
    found.set(proxy, { proxy, endedAt: closeTime, result });
  }
  return [...found.values()].sort((one, other) => (one.proxy < other.proxy ? -1 : 1));
}

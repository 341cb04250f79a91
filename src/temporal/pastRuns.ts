import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import { BYTES_ATTRIBUTE, SEARCH_ATTRIBUTES } from '../domain/names.js';
import type { PastRun } from '../domain/pastRuns.js';

const PAGE = 1000;

/** All backups of VMs that were begun since then, and of which the server knows. */
export async function runsSince(client: Client, since: Date): Promise<readonly PastRun[]> {
  const { kind } = SEARCH_ATTRIBUTES;
  const query = `${kind} IN ("backup", "files") AND StartTime >= "${since.toISOString()}"`;
  const runs: PastRun[] = [];
  for await (const run of client.workflow.list({ query, pageSize: PAGE })) runs.push(pastRunOf(run));
  return runs;
}

/** Those that one proxy made or makes and that ended since then, or run. */
export async function runsOf(client: Client, proxy: string, endedSince: Date): Promise<readonly PastRun[]> {
  const { kind, proxy: attribute } = SEARCH_ATTRIBUTES;
  const ofProxy = `${kind} IN ("backup", "files") AND ${attribute} = ${JSON.stringify(proxy)}`;
  const runs: PastRun[] = [];
  for (const which of [`CloseTime >= "${endedSince.toISOString()}"`, 'ExecutionStatus = "Running"'])
    for await (const run of client.workflow.list({ query: `${ofProxy} AND ${which}`, pageSize: PAGE }))
      runs.push(pastRunOf(run));
  return runs;
}

/** Everything that runs now, whatever it is. */
export function livingRuns(client: Client): AsyncIterable<WorkflowExecutionInfo> {
  return client.workflow.list({ query: 'ExecutionStatus = "Running"', pageSize: PAGE });
}

function pastRunOf(run: WorkflowExecutionInfo): PastRun {
  const { status, startTime, closeTime, workflowId, runId, typedSearchAttributes: attributes } = run;
  const keyword = (attribute: keyof typeof SEARCH_ATTRIBUTES): string | undefined =>
    attributes.get(defineSearchAttributeKey(SEARCH_ATTRIBUTES[attribute], 'KEYWORD'));
  const bytes = attributes.get(defineSearchAttributeKey(BYTES_ATTRIBUTE, 'INT'));
  const [job, proxy] = [keyword('job'), keyword('proxy')];
  return {
    vm: keyword('vm') ?? workflowId,
    kind: keyword('kind') === 'files' ? 'files' : 'backup',
    state: stateOf(status.name, keyword('state')),
    ...(job === undefined ? {} : { job }),
    ...(proxy === undefined ? {} : { proxy }),
    ...(bytes === undefined ? {} : { bytes }),
    startedAt: startTime,
    ...(closeTime === undefined ? {} : { endedAt: closeTime }),
    ...{ workflowId, runId },
  };
}

/** A run says itself how it ended; one that was terminated could not. */
function stateOf(status: string, told: string | undefined): string {
  const isEnded = told !== undefined && told !== 'running' && told !== 'held';
  if (status === 'RUNNING' || isEnded) return told ?? 'running';
  return status.toLowerCase().replaceAll('_', ' ');
}

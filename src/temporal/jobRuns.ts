import { WorkflowNotFoundError, type Client, type WorkflowHandle } from '@temporalio/client';
import { defineSearchAttributeKey, WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { EverthawError } from '../domain/errors.js';
import type { JobRequest, JobResult } from '../domain/jobs.js';
import { jobWorkflowId, SEARCH_ATTRIBUTES, WORKFLOW_QUEUE } from '../domain/names.js';
import { keyword } from './searchAttributes.js';

export type JobHandle = WorkflowHandle<() => Promise<JobResult>>;

/** Starts a run of a job now. @throws EverthawError JobRunning where one is living */
export async function startJobNow(client: Client, request: JobRequest): Promise<JobHandle> {
  const { name } = request.job;
  const workflowId = jobWorkflowId(name);
  try {
    return (await client.workflow.start('runJob', {
      workflowId,
      taskQueue: WORKFLOW_QUEUE,
      args: [request],
      workflowIdConflictPolicy: 'FAIL',
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      staticSummary: `job "${name}"`,
      typedSearchAttributes: [
        ...[keyword('job', name), keyword('kind', 'job'), keyword('state', 'running')],
        keyword('proxy', request.job.proxy),
      ],
    })) as JobHandle;
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    throw new EverthawError({
      code: 'JobRunning',
      what: `run job "${name}"`,
      why: 'a run of it is living',
      hint: `follow it with everthaw jobs watch ${JSON.stringify(name)}, or end it with everthaw jobs cancel`,
    });
  }
}

/** How the last run of a job that is closed ended, in the words of {@link LastRun}. */
export async function lastStateOf(client: Client, name: string): Promise<string | undefined> {
  const query = `WorkflowId = "${jobWorkflowId(name)}" AND ExecutionStatus != "Running" AND ExecutionStatus != "ContinuedAsNew"`;
  for await (const { status, typedSearchAttributes } of client.workflow.list({ query, pageSize: 1 })) {
    const state = typedSearchAttributes.get(defineSearchAttributeKey(SEARCH_ATTRIBUTES.state, 'KEYWORD'));
    return status.name === 'COMPLETED' ? (state ?? 'succeeded') : statusTold(status.name);
  }
  return undefined;
}

function statusTold(name: string): string {
  return name.toLowerCase().replaceAll('_', ' ');
}

/** The last run of a job. */
export interface LastRun {
  readonly startedAt: Date;
  readonly endedAt: Date | undefined;
  /** How it ended by itself; else in Temporal's words: `failed`, `terminated`, `running`. */
  readonly state: string;
  readonly result: JobResult | undefined;
  /** What it failed with, where all of it did. */
  readonly error: unknown;
  readonly handle: JobHandle;
}

/** @returns undefined where it never ran, or so long ago that the server does not know of it */
export async function lastRunOf(client: Client, name: string): Promise<LastRun | undefined> {
  const handle = client.workflow.getHandle<() => Promise<JobResult>>(jobWorkflowId(name));
  try {
    const { status, startTime, closeTime } = await handle.describe();
    let result: JobResult | undefined;
    let error: unknown;
    if (status.name !== 'RUNNING')
      try {
        result = await handle.result();
      } catch (caught) {
        error = caught;
      }
    const state = result?.state ?? statusTold(status.name);
    return { ...{ startedAt: startTime, endedAt: closeTime, state, result, error }, handle };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

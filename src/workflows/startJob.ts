import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { startChild } from '@temporalio/workflow';
import { NO_COUNTS, type JobRequest } from '../domain/jobs.js';
import { jobWorkflowId } from '../domain/names.js';
import { childOptions } from './children.js';
import { notifyAll } from './notifyAll.js';
import { RunReport } from './runReport.js';

export interface JobStart {
  readonly state: 'succeeded' | 'skipped';
  /** Why it was skipped. */
  readonly reason?: string;
}

/**
 * What a schedule starts: it starts the job's run under the one id that all of its runs have, and is done. Where the last one is living
 * this one is skipped, and stands in the list of runs as that (F8).
 */
export async function startJob(request: JobRequest): Promise<JobStart> {
  const { name } = request.job;
  const report = new RunReport(`Start of job "${name}"`);
  try {
    await startChild('runJob', {
      ...childOptions(request.job, 'job', `job "${name}"`),
      workflowId: jobWorkflowId(name),
      args: [request],
    });
    report.end('succeeded');
    return { state: 'succeeded' };
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    const reason = 'its last run is living';
    report.note(`skipped: ${reason}`);
    const end = { state: 'skipped', reason, counts: NO_COUNTS, notable: [], startedAt: Date.now() } as const;
    for (const line of await notifyAll(request.job, end)) report.note(line);
    report.end('skipped');
    return { state: 'skipped', reason };
  }
}

import { ApplicationFailure, ActivityFailure, proxyActivities, TimeoutFailure } from '@temporalio/workflow';
import type { Activities } from '../activities/index.js';
import { proxyQueue } from '../domain/names.js';
import type { SweepRequest, SweepResult } from '../domain/runs.js';
import { RunReport } from './runReport.js';

/** A proxy that serves no steps for so long is down: what it left is swept when it is back. */
const START_PATIENCE_MS = 60_000;

/** What a schedule starts now and then: one sweep of a proxy and its hosts, by the proxy itself. */
export async function sweep(request: SweepRequest): Promise<SweepResult> {
  const report = new RunReport(`Sweep by proxy ${request.proxy}`);
  report.enter('sweeping');
  const steps = proxyActivities<Activities>({
    taskQueue: proxyQueue(request.proxy),
    scheduleToStartTimeout: START_PATIENCE_MS,
    startToCloseTimeout: '1 hour',
    heartbeatTimeout: 10_000,
    // A sweep that failed is done again by the next one.
    retry: { maximumAttempts: 3 },
  });
  try {
    const result = await steps.sweep({ ...request, retries: { maximumRetries: 0, backoffMs: 0 } });
    for (const line of [...result.letGo, ...result.failed, ...result.unseen]) report.note(line);
    for (const { what, reason } of result.kept) report.note(`kept: ${what}: ${reason}`);
    report.end(result.state);
    return result;
  } catch (error) {
    report.end('failed');
    const isDown =
      error instanceof ActivityFailure &&
      error.cause instanceof TimeoutFailure &&
      error.cause.timeoutType === 'SCHEDULE_TO_START';
    if (!isDown) throw error;
    throw ApplicationFailure.nonRetryable(
      `sweep by proxy ${request.proxy}: no worker of it serves. Hint: start it, or delete this schedule if the proxy is no more`,
      'HostUnreachable',
    );
  }
}

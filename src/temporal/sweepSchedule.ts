import {
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  type Client,
  type ScheduleOptions,
} from '@temporalio/client';
import { sweepScheduleId, WORKFLOW_QUEUE } from '../domain/names.js';
import type { SweepRequest } from '../domain/runs.js';
import { keyword } from './searchAttributes.js';

/** Sweeps that a server could not start while it was down are not made up for. */
const CATCHUP_WINDOW_MS = 60_000;

/**
 * Has a proxy swept every so often; with 0 never. Whoever paused the schedule finds it paused: only what is done and how often is
 * changed in one that is there.
 */
export async function keepSweepSchedule(
  client: Client,
  request: SweepRequest,
  everyMs: number,
): Promise<void> {
  const scheduleId = sweepScheduleId(request.proxy);
  const handle = client.schedule.getHandle(scheduleId);
  if (everyMs === 0) {
    await handle.delete().catch((error: unknown) => {
      if (!(error instanceof ScheduleNotFoundError)) throw error;
    });
    return;
  }
  const { spec, action, policies } = plan(request, everyMs);
  try {
    await client.schedule.create({ scheduleId, spec, action, policies });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await handle.update(({ state }) => ({ spec, action, policies, state }));
  }
}

function plan(request: SweepRequest, everyMs: number) {
  return {
    spec: { intervals: [{ every: everyMs }] },
    action: {
      type: 'startWorkflow',
      workflowType: 'sweep',
      workflowId: sweepScheduleId(request.proxy),
      taskQueue: WORKFLOW_QUEUE,
      args: [request],
      staticSummary: `sweep by proxy ${request.proxy}`,
      staticDetails: 'lets go of what dead runs left on the proxy and its hosts',
      typedSearchAttributes: [
        ...[keyword('kind', 'sweep'), keyword('state', 'running'), keyword('proxy', request.proxy)],
      ],
    },
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: CATCHUP_WINDOW_MS },
  } as const satisfies Omit<ScheduleOptions, 'scheduleId'>;
}

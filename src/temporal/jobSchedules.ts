import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import {
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  type Client,
  type ScheduleDescription,
  type ScheduleOptions,
} from '@temporalio/client';
import type { JobDefinition, JobRequest } from '../domain/jobs.js';
import { JOB_PREFIX, jobStarterId, jobWorkflowId, WORKFLOW_QUEUE } from '../domain/names.js';
import { keyword } from './searchAttributes.js';

/** A job as the server has it: a schedule, by which it runs. */
export interface AppliedJob {
  readonly job: JobDefinition;
  /** Proxy and file that it was applied from: nobody else removes or changes it. */
  readonly source: string;
  readonly isPaused: boolean;
  /** Why it was paused, as whoever did it said. */
  readonly note: string | undefined;
  /** Whether somebody changed it since it was applied, as one can in the Temporal UI. */
  readonly hasDrifted: boolean;
  /** The next starts. */
  readonly next: readonly Date[];
}

const STARTER = 'startJob';
const SOURCE = 'everthawSource';
const SEAL = 'everthawSeal';

/** A job's schedule. @returns undefined where it has none, or one that is not ours */
export async function appliedJob(client: Client, name: string): Promise<AppliedJob | undefined> {
  try {
    return appliedOf(await client.schedule.getHandle(jobWorkflowId(name)).describe());
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return undefined;
    throw error;
  }
}

/** Names of all jobs that have a schedule; what was applied in the last second may be missing. */
export async function appliedNames(client: Client): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const { scheduleId, action } of client.schedule.list({ pageSize: 1000 }))
    if (scheduleId.startsWith(JOB_PREFIX) && action?.workflowType === STARTER)
      names.push(scheduleId.slice(JOB_PREFIX.length));
  return names.sort();
}

/** Makes a job's schedule, or makes the one that is there what the job says now; whether it is paused stays as it is. */
export async function putJob(
  client: Client,
  job: JobDefinition,
  source: string,
  applied: AppliedJob | undefined,
): Promise<void> {
  const handle = client.schedule.getHandle(jobWorkflowId(job.name));
  const plan = planOf(job);
  if (applied === undefined)
    await client.schedule.create({
      ...plan,
      scheduleId: jobWorkflowId(job.name),
      memo: { [SOURCE]: source },
    });
  else await handle.update(({ state }) => ({ ...plan, state }));
  // What the server makes of a cron line is known only now; it is sealed as it is.
  const seal = sealOf(await handle.describe());
  await handle.update(({ state }) => ({
    ...plan,
    state,
    action: { ...plan.action, memo: { [SEAL]: seal } },
  }));
}

export async function removeJob(client: Client, name: string): Promise<void> {
  await client.schedule
    .getHandle(jobWorkflowId(name))
    .delete()
    .catch((error: unknown) => {
      if (!(error instanceof ScheduleNotFoundError)) throw error;
    });
}

/** What differs between two definitions of a job, by the keys of {@link JobDefinition}. */
export function changedKeys(one: JobDefinition, other: JobDefinition): readonly string[] {
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]) as Set<keyof JobDefinition>;
  return [...keys].filter((key) => !isDeepStrictEqual(one[key], other[key]));
}

function planOf(job: JobDefinition) {
  const { name, schedule } = job;
  return {
    spec:
      schedule === undefined
        ? {}
        : {
            cronExpressions: [...schedule.cron],
            timezone: schedule.timeZone,
            jitter: schedule.jitterMs,
          },
    action: {
      type: 'startWorkflow',
      workflowType: STARTER,
      workflowId: jobStarterId(name),
      taskQueue: WORKFLOW_QUEUE,
      args: [{ job } satisfies JobRequest],
      staticSummary: `start of job "${name}"`,
      typedSearchAttributes: [
        ...[keyword('job', name), keyword('kind', 'start'), keyword('state', 'running')],
        keyword('proxy', job.proxy),
      ],
    },
    // What is started is done at once: whether the job's last run is living, that sees.
    policies: {
      overlap: ScheduleOverlapPolicy.ALLOW_ALL,
      ...(schedule === undefined ? {} : { catchupWindow: schedule.catchUpMs }),
    },
  } satisfies Omit<ScheduleOptions, 'scheduleId'>;
}

function appliedOf(description: ScheduleDescription): AppliedJob | undefined {
  const { action, memo, state, info } = description;
  const args: readonly unknown[] = action.args ?? [];
  const source = memo?.[SOURCE];
  const job = (args[0] as JobRequest | undefined)?.job;
  if (typeof source !== 'string' || job === undefined) return undefined;
  return {
    ...{ job, source, isPaused: state.paused, note: state.note },
    hasDrifted: action.memo?.[SEAL] !== sealOf(description),
    next: info.nextActionTimes,
  };
}

/** Tells two schedules apart by all that makes them do something: when, what, and how. */
function sealOf({ spec, policies, action }: ScheduleDescription): string {
  const { workflowType, args, taskQueue } = action;
  const all = {
    spec,
    overlap: policies.overlap,
    catchUp: policies.catchupWindow,
    workflowType,
    args,
    taskQueue,
  };
  return createHash('sha256').update(JSON.stringify(all)).digest('hex');
}

import {
  activityInfo,
  ApplicationFailure,
  CancelledFailure,
  cancellationSignal,
  type Info,
} from '@temporalio/activity';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import { EverthawError, messageOf } from '../domain/errors.js';
import type { CleanupStep, FailureDetails, Step } from '../domain/runs.js';
import type { RunningSteps } from './runningSteps.js';
import { withPulse, type PulseKeeper } from './pulse.js';

const BEAT_MS = 1000;
/** How often a host that does not answer is tried. */
const OUTAGE_LOOK_MS = 3000;

/**
 * Stands around every activity: beats its heart, and is the only place where an error becomes Temporal's.
 *
 * Retries, one way: the activity's policy retries at once and for ever, so that a lost worker costs seconds and uses up
 * nothing. A failure of the operation itself is counted in the heartbeat's details; past MAX_RETRIES (F3) it ends the activity,
 * before that it waits BACKOFF_TIME. A host's outage counts for nothing where it is waited out. A clean-up step goes on until absence
 * was observed.
 */
export class StepInterceptor implements ActivityInboundCallsInterceptor {
  readonly #steps: RunningSteps;
  readonly #isCurrent: (attempt: Info) => Promise<boolean>;

  /** @param isCurrent asks the server whether an attempt is still the one that it waits for */
  constructor(steps: RunningSteps, isCurrent: (attempt: Info) => Promise<boolean>) {
    this.#steps = steps;
    this.#isCurrent = isCurrent;
  }

  async execute(
    input: ActivityExecuteInput,
    next: Next<ActivityInboundCallsInterceptor, 'execute'>,
  ): Promise<unknown> {
    const step = input.args[0] as Step | CleanupStep;
    await this.#refuseLate();
    return this.#steps.during(() =>
      withPulse(async (pulse) => {
        pulse.beat();
        const timer = setInterval(() => {
          pulse.beat();
        }, BEAT_MS);
        try {
          return await this.#steps.alone(nameOf(activityInfo()), () => next(input), cancellationSignal());
        } catch (error) {
          // The reason of an abort tells a cancellation from a lost heartbeat: both end the attempt, only one is the user's.
          if (cancellationSignal().aborted) throw cancelled();
          throw failureOf(error, step, pulse);
        } finally {
          clearInterval(timer);
        }
      }),
    );
  }

  /**
   * A process that stood still may begin what was given to another meanwhile, and would take it from that one: attempts end what
   * they find of earlier ones. One that is begun in time is not asked about. Clocks may differ, which costs a question.
   */
  async #refuseLate(): Promise<void> {
    const info = activityInfo();
    const lateMs = Math.abs(Date.now() - info.currentAttemptScheduledTimestampMs);
    if (lateMs < (info.heartbeatTimeoutMs ?? Infinity) / 2) return;
    if (await this.#isCurrent(info)) return;
    throw ApplicationFailure.create({
      message: `attempt ${info.attempt} of ${info.activityType} was begun too late: another has taken its place`,
      type: 'UnexpectedError',
      nonRetryable: false,
    });
  }
}

/** The same for each attempt of a step. */
function nameOf({ workflowExecution, activityId }: Info): string {
  return `${workflowExecution?.workflowId ?? ''} ${workflowExecution?.runId ?? ''} ${activityId}`;
}

function failureOf(error: unknown, step: Step | CleanupStep, pulse: PulseKeeper): ApplicationFailure {
  const ours = error instanceof EverthawError ? error : unexpected(error);
  const { what, why, hint, code, message } = ours;
  const { checkpoint } = pulse.now;
  const details: FailureDetails = { what, why, hint, ...(checkpoint === undefined ? {} : { checkpoint }) };
  const common = { message, type: code, details: [details] };
  const { retries } = step;
  if (retries === 'until gone') return ApplicationFailure.create({ ...common, nonRetryable: false });
  if (code === 'HostUnreachable' && 'outage' in step)
    return ApplicationFailure.create({ ...common, nonRetryable: false, nextRetryDelay: OUTAGE_LOOK_MS });
  if (ours.retry === 'final' || pulse.fail() > retries.maximumRetries) {
    return ApplicationFailure.create({ ...common, nonRetryable: true });
  }
  // A server takes a delay of zero for "no retry".
  const nextRetryDelay = Math.max(1, retries.backoffMs);
  return ApplicationFailure.create({ ...common, nonRetryable: false, nextRetryDelay });
}

function unexpected(error: unknown): EverthawError {
  return new EverthawError({
    code: 'UnexpectedError',
    what: `run step ${activityInfo().activityType}`,
    why: messageOf(error),
    hint: 'this is not an error we know: please report it',
    retry: 'again',
    cause: error,
  });
}

function cancelled(): CancelledFailure {
  return new CancelledFailure('the run was cancelled');
}

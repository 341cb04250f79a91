import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { PERMITS_WORKFLOW_ID } from '../../src/domain/names.js';
import type { Pulse } from '../../src/domain/runs.js';

const RUNNING = `ExecutionStatus="Running" AND WorkflowId!="${PERMITS_WORKFLOW_ID}"`;

const LOOK_MS = 50;
const ANSWER_MS = 3000;

/** Of Temporal's PendingActivityState: a worker has it. */
const STARTED = 2;

type History = Awaited<ReturnType<Client['workflowService']['getWorkflowExecutionHistory']>>['history'];
type Event = NonNullable<NonNullable<History>['events']>[number];

/** A step that is under way. */
export interface PendingStep {
  readonly type: string;
  readonly isStarted: boolean;
  readonly attempt: number;
  readonly lastBeatAt: number;
  readonly pulse: Pulse | undefined;
}

export interface Look {
  readonly status: string;
  readonly historyLength: number;
  readonly pending: readonly PendingStep[];
}

/** A step that history tells of: when it was scheduled and when it ended. */
export interface PastStep {
  readonly type: string;
  readonly summary: string;
  readonly scheduledAt: number;
  readonly endedAt: number | undefined;
}

/** Looks at a run from outside; a server that does not answer now is asked again. */
export class RunWatch {
  readonly workflowId: string;
  readonly runId: string;
  readonly #client: Client;

  constructor(client: Client, workflowId: string, runId: string) {
    this.#client = client;
    this.workflowId = workflowId;
    this.runId = runId;
  }

  /** The run that is started next, told by the list of what is running. The one that gives permits may be there before it. */
  static async next(client: Client, signal: AbortSignal): Promise<RunWatch> {
    for (;;) {
      for await (const { workflowId, runId } of client.workflow.list({ query: RUNNING }))
        return new RunWatch(client, workflowId, runId);
      signal.throwIfAborted();
      await sleep(LOOK_MS);
    }
  }

  get handle() {
    return this.#client.workflow.getHandle(this.workflowId, this.runId);
  }

  /** What the server says of it now, or nothing where it does not answer. */
  async look(): Promise<Look | undefined> {
    try {
      const { raw, status, historyLength } = await this.#client.withDeadline(Date.now() + ANSWER_MS, () =>
        this.handle.describe(),
      );
      return {
        status: status.name,
        historyLength,
        pending: (raw.pendingActivities ?? []).map((each) => {
          const payload = each.heartbeatDetails?.payloads?.[0];
          return {
            type: each.activityType?.name ?? '',
            isStarted: Number(each.state) === STARTED,
            attempt: each.attempt ?? 0,
            lastBeatAt: timeOf(each.lastHeartbeatTime),
            pulse: payload == null ? undefined : defaultPayloadConverter.fromPayload<Pulse>(payload),
          };
        }),
      };
    } catch {
      return undefined;
    }
  }

  /** Its events from the first on, each as soon as it is there. */
  async *events(): AsyncGenerator<Event> {
    let nextPageToken: Uint8Array = new Uint8Array();
    do {
      const page = await this.#client.workflowService.getWorkflowExecutionHistory({
        namespace: this.#client.options.namespace,
        execution: { workflowId: this.workflowId, runId: this.runId },
        waitNewEvent: true,
        nextPageToken,
      });
      yield* page.history?.events ?? [];
      nextPageToken = page.nextPageToken;
    } while (nextPageToken.length > 0);
  }

  /** Waits until it has ended. @throws when the signal is aborted */
  async ended(signal: AbortSignal): Promise<string> {
    for (;;) {
      const status = (await this.look())?.status ?? 'RUNNING';
      if (status !== 'RUNNING') return status;
      signal.throwIfAborted();
      await this.#nextClose();
    }
  }

  /** Returns when it has ended, however it did, or after a while. */
  async #nextClose(): Promise<void> {
    try {
      await this.#client.withDeadline(Date.now() + ANSWER_MS, () => this.handle.result());
    } catch {
      await sleep(LOOK_MS);
    }
  }

  /** Waits for a sign that it goes on since a moment: a new event, a beat, an end. */
  async progressSince(at: number, signal: AbortSignal): Promise<void> {
    const before = await this.look();
    for (;;) {
      const now = await this.look();
      if (now !== undefined) {
        if (now.status !== 'RUNNING' || now.historyLength > (before?.historyLength ?? 0)) return;
        if (now.pending.some(({ lastBeatAt }) => lastBeatAt > at)) return;
      }
      signal.throwIfAborted();
      await sleep(LOOK_MS);
    }
  }

  /** All its steps, and when it ended. */
  async past(): Promise<{ readonly steps: readonly PastStep[]; readonly endedAt: number }> {
    const { events } = await this.handle.fetchHistory();
    const steps = new Map<string, PastStep>();
    for (const event of events ?? []) {
      const scheduled = event.activityTaskScheduledEventAttributes;
      if (scheduled != null)
        steps.set(String(event.eventId), {
          type: scheduled.activityType?.name ?? '',
          summary: summaryOf(event),
          scheduledAt: timeOf(event.eventTime),
          endedAt: undefined,
        });
      const id = endOfStep(event);
      const step = id === undefined ? undefined : steps.get(id);
      if (id !== undefined && step !== undefined)
        steps.set(id, { ...step, endedAt: timeOf(event.eventTime) });
    }
    return { steps: [...steps.values()], endedAt: timeOf(events?.at(-1)?.eventTime) };
  }
}

/** The scheduling event of the step that this event ends. */
export function endOfStep(event: Event): string | undefined {
  const id =
    event.activityTaskCompletedEventAttributes?.scheduledEventId ??
    event.activityTaskFailedEventAttributes?.scheduledEventId ??
    event.activityTaskCanceledEventAttributes?.scheduledEventId ??
    event.activityTaskTimedOutEventAttributes?.scheduledEventId;
  return id == null ? undefined : String(id);
}

function summaryOf({ userMetadata }: Event): string {
  const payload = userMetadata?.summary;
  return payload == null ? '' : defaultPayloadConverter.fromPayload<string>(payload);
}

function timeOf(time: { seconds?: unknown; nanos?: number | null } | null | undefined): number {
  return Number(time?.seconds ?? 0) * 1000 + (time?.nanos ?? 0) / 1e6;
}

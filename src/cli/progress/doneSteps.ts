import type { WorkflowHandle } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';

/** A step of a run that was done, as the run's history tells it. */
export interface DoneStep {
  readonly id: string;
  readonly type: string;
  /** What it was told, and what it gave: of the type of that step. */
  readonly input: unknown;
  readonly result: unknown;
}

/** The steps that were done, in order. The server knows them: no worker is needed. */
export async function doneSteps(handle: WorkflowHandle): Promise<readonly DoneStep[]> {
  const events = (await handle.fetchHistory()).events ?? [];
  const scheduled = new Map(
    events.map((event) => [String(event.eventId), event.activityTaskScheduledEventAttributes]),
  );
  return events.flatMap(({ activityTaskCompletedEventAttributes: completed }) => {
    if (completed == null) return [];
    const begun = scheduled.get(String(completed.scheduledEventId));
    return [
      {
        id: begun?.activityId ?? '',
        type: begun?.activityType?.name ?? '',
        input: firstOf(begun?.input),
        result: firstOf(completed.result),
      },
    ];
  });
}

type Payloads = Parameters<typeof defaultPayloadConverter.fromPayload>[0][];

/** The first of the values that a server keeps for a call. */
function firstOf(values: { readonly payloads?: Payloads | null } | null | undefined): unknown {
  const payload = values?.payloads?.[0];
  return payload === undefined ? undefined : defaultPayloadConverter.fromPayload(payload);
}

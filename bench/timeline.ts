import type { WorkflowHandle } from '@temporalio/client';

/** A stretch of a run's time, of which the run does one at a time. Milliseconds since the epoch. */
export interface Stretch {
  readonly name: string;
  /** Waiting for a worker to take it, or being done. */
  readonly kind: 'waiting' | 'executing';
  readonly from: number;
  readonly to: number;
}

type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;
type HistoryEvent = NonNullable<History['events']>[number];

/** A run's time by its history: its activities and, under one name, its workflow tasks. */
export function stretchesOf(history: History): readonly Stretch[] {
  const events = history.events ?? [];
  const byId = new Map(events.map((event) => [Number(event.eventId), event]));
  return events.flatMap((event) => {
    const ended = event.activityTaskCompletedEventAttributes ?? event.workflowTaskCompletedEventAttributes;
    if (ended == null) return [];
    const scheduled = byId.get(Number(ended.scheduledEventId));
    const started = byId.get(Number(ended.startedEventId));
    const { activityType, activityId } = scheduled?.activityTaskScheduledEventAttributes ?? {};
    const name = activityType?.name == null ? 'workflow tasks' : `${activityId ?? ''} ${activityType.name}`;
    return [
      { name, kind: 'waiting', from: timeOf(scheduled), to: timeOf(started) },
      { name, kind: 'executing', from: timeOf(started), to: timeOf(event) },
    ] as const;
  });
}

function timeOf(event: HistoryEvent | undefined): number {
  const { seconds, nanos } = event?.eventTime ?? {};
  return Number(seconds ?? 0) * 1000 + (nanos ?? 0) / 1e6;
}

/** How much of a stretch is covered by spans, where several at once count once. */
export function coveredMs(
  stretch: { readonly from: number; readonly to: number },
  spans: readonly { readonly from: number; readonly to: number }[],
): number {
  let covered = 0;
  let reached = stretch.from;
  for (const { from, to } of spans.toSorted((a, b) => a.from - b.from)) {
    const end = Math.min(to, stretch.to);
    covered += Math.max(0, end - Math.max(from, reached));
    reached = Math.max(reached, end);
  }
  return covered;
}

/** A backup that ran, or runs, as the server remembers it. */
export interface PastRun {
  readonly vm: string;
  /** Of its images or of its files. */
  readonly kind: 'backup' | 'files';
  /** How it ended by itself; else in Temporal's words (`terminated`), or `running`, `held`. */
  readonly state: string;
  readonly job?: string;
  readonly proxy?: string;
  /** Of a backup that succeeded. */
  readonly bytes?: number;
  readonly startedAt: Date;
  readonly endedAt?: Date;
  /** The VM's, always the same. */
  readonly workflowId: string;
  readonly runId: string;
}

/** All that is known of the backups of one VM, whatever it was called. */
export interface VmHistory {
  /** Its name when it was last backed up. */
  readonly vm: string;
  /** The newest first. */
  readonly runs: readonly PastRun[];
  readonly last: PastRun;
  readonly lastSuccess: PastRun | undefined;
}

/** In the order of names. */
export function byVm(runs: readonly PastRun[]): readonly VmHistory[] {
  const histories = new Map<string, PastRun[]>();
  for (const run of runs) {
    const known = histories.get(run.workflowId);
    if (known === undefined) histories.set(run.workflowId, [run]);
    else known.push(run);
  }
  return [...histories.values()]
    .flatMap((all) => {
      const sorted = all.toSorted((one, other) => other.startedAt.getTime() - one.startedAt.getTime());
      const [last] = sorted;
      const lastSuccess = sorted.find(({ state }) => state === 'succeeded');
      return last === undefined ? [] : [{ vm: last.vm, runs: sorted, last, lastSuccess }];
    })
    .sort(({ vm: one }, { vm: other }) => (one < other ? -1 : 1));
}

/** What a day's runs come to: a backup that is good is good, whatever was tried before it or after it. */
const BEST_FIRST = ['succeeded', 'running', 'held', 'cancelled', 'failed'] as const;

export type DayResult = (typeof BEST_FIRST)[number];

export function resultOf(runs: readonly PastRun[]): DayResult | undefined {
  if (runs.length === 0) return undefined;
  return BEST_FIRST.find((state) => runs.some((run) => run.state === state)) ?? 'failed';
}

/** The last days by somebody's clocks, the oldest first: `2026-11-24`. */
export function lastDays(now: Date, count: number, timeZone: string): readonly string[] {
  const day = dayOf(timeZone);
  // From noon to noon, for a day may have 23 or 25 hours.
  const noon = new Date(`${day(now)}T12:00:00Z`).getTime();
  return Array.from({ length: count }, (_, n) =>
    new Date(noon - (count - 1 - n) * 86_400_000).toISOString().slice(0, 10),
  );
}

/** The day in which a moment lies. */
function dayOf(timeZone: string): (at: Date) => string {
  const format = new Intl.DateTimeFormat('en-CA', { timeZone, dateStyle: 'short' });
  return (at) => format.format(at);
}

/** The runs of each day. */
export function byDay(runs: readonly PastRun[], timeZone: string): (day: string) => readonly PastRun[] {
  const of = dayOf(timeZone);
  const days = new Map<string, PastRun[]>();
  for (const run of runs) {
    const day = of(run.startedAt);
    const known = days.get(day);
    if (known === undefined) days.set(day, [run]);
    else known.push(run);
  }
  return (day) => days.get(day) ?? [];
}

/** Bytes a second, of backups that succeeded. */
export function rateOf({ bytes, startedAt, endedAt }: PastRun): number | undefined {
  if (bytes === undefined || endedAt === undefined) return undefined;
  return (bytes * 1000) / Math.max(1, endedAt.getTime() - startedAt.getTime());
}

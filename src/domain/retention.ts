import { bucketsIn, SPANS, type Span } from './timeBuckets.js';

/** How many restore points of a VM are kept: of each span of time that has any, the newest one. 0 or nothing is no rule. */
export interface KeepRules extends Readonly<Partial<Record<Span, number>>> {
  /** So many of the newest. */
  readonly last?: number;
  /** All that are no older than this, counted back from the newest: a VM that is backed up no more loses nothing by it. */
  readonly withinMs?: number;
}

/** A restore point that is whole, as far as it matters for how long it is kept. */
export interface RetainedPoint {
  /** Of the run that made it. Copies of a restore point have the same. */
  readonly runId: string;
  readonly hostUuid: string;
  /** Instance uuid. Names are not looked at: they change, and others take them. */
  readonly vmUuid: string;
  /** Image-level and file-level restore points are counted apart: one does not stand for the other. */
  readonly level: string;
  /** Point in time, ms since 1970. */
  readonly at: number;
  /** Run id of the restore point that it cannot be restored without. */
  readonly base?: string;
  /** Why it stays, whatever the rules say. */
  readonly held?: string;
}

export interface Decision<P> {
  readonly point: P;
  readonly forget: boolean;
  /** Why it is kept, or why no rule keeps it; never empty. */
  readonly reasons: readonly string[];
}

export interface Circumstances {
  readonly nowMs: number;
  /** By whose clocks hours and days begin. */
  readonly zone: string;
  /** Why the last run of a VM is no success, by {@link vmKeyOf}. */
  readonly lastRunFailed: ReadonlyMap<string, string>;
}

/** What clocks of hosts and proxies may differ by before a restore point counts as one of the future. */
const CLOCK_SKEW_MS = 5 * 60_000;

/** Which VM, on which host. */
export function vmKeyOf({
  hostUuid,
  vmUuid,
}: {
  readonly hostUuid: string;
  readonly vmUuid: string;
}): string {
  return JSON.stringify([hostUuid, vmUuid]);
}

/** Whether any rule says what is kept. Without one nothing is forgotten. */
export function hasRules(rules: KeepRules): boolean {
  return Object.values(rules).some((count) => typeof count === 'number' && count > 0);
}

/**
 * Decides what of a set of restore points is kept. Of each VM and level the newest always is, and so is whatever one that is kept cannot
 * be restored without. All rules count what is there, none the time that went by: to wait forgets nothing.
 */
export function judgeRetention<P extends RetainedPoint>(
  points: readonly P[],
  rules: KeepRules,
  circumstances: Circumstances,
): readonly Decision<P>[] {
  const suspended = suspensionsOf(points, circumstances);
  const bucketsOf = bucketsIn(circumstances.zone);
  const verdicts = new Map<string, Verdict>();
  for (const series of groupedBy(points, (point) => JSON.stringify([vmKeyOf(point), point.level])).values())
    for (const [key, verdict] of judgeSeries(series, rules, bucketsOf)) verdicts.set(key, verdict);
  for (const point of points) {
    const verdict = verdictOf(verdicts, point);
    const why = suspended.get(vmKeyOf(point));
    if (why !== undefined) verdict.kept.add(`nothing of this VM is forgotten: ${why}`);
    else if (!hasRules(rules)) verdict.kept.add('no rule says what may go');
    if (point.held !== undefined) verdict.kept.add(point.held);
  }
  keepBases(points, verdicts);
  return points.map((point) => {
    const { kept, passed } = verdictOf(verdicts, point);
    return { point, forget: kept.size === 0, reasons: [...(kept.size === 0 ? passed : kept)] };
  });
}

interface Verdict {
  readonly kept: Set<string>;
  readonly passed: string[];
}

/** Copies of a restore point are one: they count once, and stay or go together. */
function pointKeyOf(point: RetainedPoint): string {
  return JSON.stringify([vmKeyOf(point), point.level, point.runId, point.at]);
}

function verdictOf(verdicts: ReadonlyMap<string, Verdict>, point: RetainedPoint): Verdict {
  const verdict = verdicts.get(pointKeyOf(point));
  if (verdict === undefined) throw new Error(`no verdict on the restore point of run ${point.runId}`);
  return verdict;
}

function suspensionsOf(
  points: readonly RetainedPoint[],
  { nowMs, lastRunFailed }: Circumstances,
): ReadonlyMap<string, string> {
  const suspended = new Map(lastRunFailed);
  for (const point of points)
    if (point.at > nowMs + CLOCK_SKEW_MS)
      suspended.set(vmKeyOf(point), 'a restore point of it is dated in the future, so a clock was wrong');
  return suspended;
}

/** By the rules alone, of the restore points of one VM and level. */
function judgeSeries(
  series: readonly RetainedPoint[],
  rules: KeepRules,
  bucketsOf: ReturnType<typeof bucketsIn>,
): ReadonlyMap<string, Verdict> {
  const verdicts = new Map<string, Verdict>();
  const seen = new Map<Span, Set<string>>(SPANS.map((span) => [span, new Set()]));
  const newestFirst = [...new Map(series.map((point) => [pointKeyOf(point), point])).values()].toSorted(
    (one, other) => other.at - one.at || (one.runId < other.runId ? 1 : -1),
  );
  const newestAt = newestFirst[0]?.at ?? 0;
  for (const [index, point] of newestFirst.entries()) {
    const kept = new Set<string>();
    const passed: string[] = [];
    if (index === 0) kept.add('the newest');
    const { last = 0, withinMs = 0 } = rules;
    if (index < last) kept.add(`last ${last}`);
    else if (last > 0) passed.push(`not of the last ${last}`);
    if (withinMs > 0 && newestAt - point.at <= withinMs) kept.add('within the time');
    else if (withinMs > 0) passed.push('older than the time');
    const buckets = bucketsOf(point.at);
    for (const span of SPANS) {
      const count = rules[span] ?? 0;
      if (count === 0) continue;
      const taken = seen.get(span) ?? new Set<string>();
      const bucket = buckets[span];
      if (taken.has(bucket)) passed.push(`${span}: ${bucket} has a newer one`);
      else if (taken.size < count) {
        taken.add(bucket);
        kept.add(`${span}: ${bucket}`);
      } else passed.push(`${span}: ${bucket} is behind the last ${count}`);
    }
    verdicts.set(pointKeyOf(point), { kept, passed });
  }
  return verdicts;
}

/** What is kept drags along what it is built on, link by link. */
function keepBases(points: readonly RetainedPoint[], verdicts: ReadonlyMap<string, Verdict>): void {
  const byRun = groupedBy(points, ({ runId }) => runId);
  const toFollow = points.filter((point) => verdictOf(verdicts, point).kept.size > 0);
  for (let point = toFollow.pop(); point !== undefined; point = toFollow.pop()) {
    if (point.base === undefined) continue;
    for (const base of byRun.get(point.base) ?? []) {
      const { kept } = verdictOf(verdicts, base);
      if (kept.size === 0) toFollow.push(base);
      kept.add('one that is kept is built on it');
    }
  }
}

function groupedBy<T>(things: readonly T[], keyOf: (thing: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const thing of things) {
    const key = keyOf(thing);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [thing]);
    else group.push(thing);
  }
  return groups;
}

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  hasRules,
  judgeRetention,
  vmKeyOf,
  type Circumstances,
  type KeepRules,
  type RetainedPoint,
} from '../../src/domain/retention.js';
import { bucketsIn, isTimeZone, SPANS } from '../../src/domain/timeBuckets.js';

interface Point extends RetainedPoint {
  readonly directory: string;
}

const NOW = Date.parse('2026-11-23T12:00:00Z');
const HOUR_MS = 3600_000;
const DAY_MS = 24 * HOUR_MS;
const NEVER_FAILED: Circumstances = { nowMs: NOW, zone: 'UTC', lastRunFailed: new Map() };

/** Clocks that are set at midnight, by half an hour, not at all, or that have left out a day. */
const zones = fc.constantFrom(
  ...['UTC', 'Europe/Berlin', 'Asia/Beirut', 'Australia/Lord_Howe', 'Asia/Kolkata', 'Pacific/Apia'],
);

/** Hours, days and years apart, some at the same moment; some built on an older one of the same VM, some held, some there twice. */
const pointSets: fc.Arbitrary<readonly Point[]> = fc
  .array(
    fc.record({
      vm: fc.constantFrom('a', 'b'),
      host: fc.constantFrom('h', 'h', 'i'),
      level: fc.constantFrom('image', 'image', 'file'),
      agoMs: fc.oneof(
        fc.integer({ min: 0, max: 30 }).map((hours) => hours * HOUR_MS),
        fc.integer({ min: 0, max: 40 * DAY_MS }),
        fc.integer({ min: 0, max: 1500 }).map((days) => days * DAY_MS),
      ),
      base: fc.option(fc.nat({ max: 20 }), { nil: undefined }),
      held: fc.oneof(
        { weight: 9, arbitrary: fc.constant(undefined) },
        { weight: 1, arbitrary: fc.constant('protected') },
      ),
      copies: fc.constantFrom(1, 1, 1, 2),
    }),
    { maxLength: 24 },
  )
  .map((made) =>
    made.flatMap(({ vm, host, level, agoMs, base, held, copies }, index) => {
      const older = made[base ?? -1];
      const isBase = older?.vm === vm && older.agoMs > agoMs;
      const point: Omit<Point, 'directory'> = {
        ...{ runId: `run${index}`, hostUuid: host, vmUuid: vm, level, at: NOW - agoMs },
        ...(isBase ? { base: `run${base ?? -1}` } : {}),
        ...(held === undefined ? {} : { held }),
      };
      return Array.from({ length: copies }, (_, copy) => ({ ...point, directory: `/${index}/${copy}` }));
    }),
  );

const count = fc.integer({ min: 0, max: 5 });
const anyRules: fc.Arbitrary<KeepRules> = fc.record({
  ...{ last: count, hourly: count, daily: count, weekly: count, monthly: count, yearly: count },
  withinMs: fc.constantFrom(0, HOUR_MS, 3 * DAY_MS, 90 * DAY_MS),
});
const someRules = anyRules.filter(hasRules);

const circumstances: fc.Arbitrary<Circumstances> = fc.record({
  nowMs: fc.constantFrom(NOW, NOW, NOW - DAY_MS, NOW + 900 * DAY_MS),
  zone: zones,
  lastRunFailed: fc.constantFrom(
    new Map<string, string>(),
    new Map([[vmKeyOf({ hostUuid: 'h', vmUuid: 'a' }), 'it did not answer']]),
  ),
});

function directoriesOf(points: readonly Point[]): readonly string[] {
  return points.map(({ directory }) => directory).toSorted();
}

function keptOf(points: readonly Point[], rules: KeepRules, at: Circumstances): readonly Point[] {
  return judgeRetention(points, rules, at).flatMap(({ point, forget }) => (forget ? [] : [point]));
}

function check(holds: (points: readonly Point[], rules: KeepRules, at: Circumstances) => void): void {
  fc.assert(fc.property(pointSets, someRules, circumstances, holds), { numRuns: 120 });
}

describe('whatever the rules, restore points and time zone', () => {
  it('the newest of each VM and level stays', () => {
    check((points, rules, at) => {
      const kept = new Set(keptOf(points, rules, at));
      for (const point of points) {
        const newer = points.filter(
          (other) => vmKeyOf(other) === vmKeyOf(point) && other.level === point.level && other.at >= point.at,
        );
        expect(newer.some((other) => kept.has(other))).toBe(true);
      }
    });
  });

  it('forgetting twice is forgetting once', () => {
    check((points, rules, at) => {
      const kept = keptOf(points, rules, at);
      expect(keptOf(kept, rules, at)).toEqual(kept);
    });
  });

  it('another rule, or a larger number, forgets no more', () => {
    fc.assert(
      fc.property(pointSets, someRules, anyRules, circumstances, (points, rules, more, at) => {
        const larger = Object.fromEntries(
          Object.entries(rules).map(([rule, number]) => [
            rule,
            (number as number) + (more[rule as keyof KeepRules] ?? 0),
          ]),
        );
        const kept = new Set(keptOf(points, larger, at));
        for (const point of keptOf(points, rules, at)) expect(kept.has(point)).toBe(true);
      }),
      { numRuns: 120 },
    );
  });

  it('nothing is forgotten that one that stays is built on', () => {
    check((points, rules, at) => {
      const decisions = judgeRetention(points, rules, at);
      const bases = new Set(decisions.flatMap(({ point, forget }) => (forget ? [] : (point.base ?? []))));
      for (const { point, forget } of decisions) if (forget) expect(bases).not.toContain(point.runId);
    });
  });

  it('what is held stays, and so do its copies', () => {
    check((points, rules, at) => {
      const kept = directoriesOf(keptOf(points, rules, at));
      const held = new Set(points.flatMap(({ held: why, runId }) => (why === undefined ? [] : [runId])));
      for (const { runId, directory } of points) if (held.has(runId)) expect(kept).toContain(directory);
    });
  });

  it('copies count once, and stay or go together', () => {
    check((points, rules, at) => {
      const seen = new Map<string, Point>();
      for (const point of points) if (!seen.has(point.runId)) seen.set(point.runId, point);
      const kept = new Set(keptOf([...seen.values()], rules, at).map(({ runId }) => runId));
      for (const { point, forget } of judgeRetention(points, rules, at))
        expect(forget).toBe(!kept.has(point.runId));
    });
  });

  it('the order in which they are told does not matter', () => {
    fc.assert(
      fc.property(
        pointSets.chain((points) =>
          fc.tuple(
            fc.constant(points),
            fc.shuffledSubarray([...points], { minLength: points.length, maxLength: points.length }),
          ),
        ),
        someRules,
        circumstances,
        ([points, shuffled], rules, at) => {
          expect(directoriesOf(keptOf(shuffled, rules, at))).toEqual(
            directoriesOf(keptOf(points, rules, at)),
          );
        },
      ),
      { numRuns: 120 },
    );
  });

  it('time that goes by forgets nothing', () => {
    check((points, rules, { zone }) => {
      const later = { ...NEVER_FAILED, zone, nowMs: NOW + 5000 * DAY_MS };
      expect(keptOf(points, rules, later)).toEqual(keptOf(points, rules, { ...NEVER_FAILED, zone }));
    });
  });

  it('each rule by itself keeps one of each hour, day and so on, as many as there are of them', () => {
    fc.assert(
      fc.property(
        pointSets,
        fc.constantFrom(...SPANS),
        fc.integer({ min: 1, max: 9 }),
        zones,
        (points, span, n, zone) => {
          const own = points.filter(
            ({ hostUuid, vmUuid, level }) => `${hostUuid}${vmUuid}${level}` === 'haimage',
          );
          const bare = own.map(({ directory, runId, hostUuid, vmUuid, level, at }) => ({
            ...{ directory, runId, hostUuid, vmUuid, level, at },
          }));
          const kept = keptOf(bare, { [span]: n }, { ...NEVER_FAILED, zone });
          const bucketOf = bucketsIn(zone);
          const there = new Set(bare.map(({ at }) => bucketOf(at)[span]));
          expect(new Set(kept.map(({ at }) => bucketOf(at)[span])).size).toBe(Math.min(n, there.size));
          expect(new Set(kept.map(({ runId }) => runId)).size).toBe(Math.min(n, there.size));
        },
      ),
      { numRuns: 120 },
    );
  });

  it('every decision has its reason', () => {
    check((points, rules, at) => {
      for (const { reasons } of judgeRetention(points, rules, at)) expect(reasons.length).toBeGreaterThan(0);
    });
  });
});

/** Points of one VM at these times, in this order. */
function pointsAt(...times: readonly string[]): readonly Point[] {
  return times.map((time, index) => ({
    ...{ directory: time, runId: `run${index}`, hostUuid: 'h', vmUuid: 'a', level: 'image' },
    at: Date.parse(time),
  }));
}

function keptTimes(points: readonly Point[], rules: KeepRules, zone = 'UTC'): readonly string[] {
  return directoriesOf(keptOf(points, rules, { ...NEVER_FAILED, zone }));
}

describe('nothing of a VM is forgotten', () => {
  const nightly = pointsAt('2026-11-20T01:00Z', '2026-11-21T01:00Z', '2026-11-22T01:00Z');

  it('whose last run failed, and it is said', () => {
    const failed = new Map([[vmKeyOf({ hostUuid: 'h', vmUuid: 'a' }), 'the host was gone']]);
    for (const { forget, reasons } of judgeRetention(
      nightly,
      { last: 1 },
      { ...NEVER_FAILED, lastRunFailed: failed },
    )) {
      expect(forget).toBe(false);
      expect(reasons).toContain('nothing of this VM is forgotten: the host was gone');
    }
    const other = nightly.map((point) => ({ ...point, hostUuid: 'another' }));
    expect(keptOf(other, { last: 1 }, { ...NEVER_FAILED, lastRunFailed: failed })).toHaveLength(1);
  });

  it('while one of its restore points is dated in the future', () => {
    const early = { ...NEVER_FAILED, nowMs: Date.parse('2026-11-21T12:00Z') };
    expect(keptOf(nightly, { last: 1 }, early)).toHaveLength(3);
    const other = nightly.map((point) => ({ ...point, vmUuid: 'b', at: point.at - DAY_MS }));
    expect(keptOf([...nightly, ...other.slice(0, 2)], { last: 1 }, early)).toHaveLength(4);
  });

  it('not for a clock that is a little ahead', () => {
    const behind = { ...NEVER_FAILED, nowMs: Date.parse('2026-11-22T00:58Z') };
    expect(keptOf(nightly, { last: 1 }, behind)).toHaveLength(1);
  });

  it('without a rule', () => {
    expect(keptOf(nightly, {}, NEVER_FAILED)).toHaveLength(3);
    expect(keptOf(nightly, { daily: 0 }, NEVER_FAILED)).toHaveLength(3);
  });
});

describe('days and hours', () => {
  it('are those of the time zone', () => {
    const points = pointsAt('2026-11-21T22:30Z', '2026-11-21T23:30Z', '2026-11-22T22:30Z');
    expect(keptTimes(points, { daily: 2 })).toEqual(['2026-11-21T23:30Z', '2026-11-22T22:30Z']);
    expect(keptTimes(points, { daily: 2 }, 'Europe/Berlin')).toEqual([
      '2026-11-21T22:30Z',
      '2026-11-22T22:30Z',
    ]);
  });

  it('an hour that comes twice is two hours, and its day one day', () => {
    const points = pointsAt(
      '2026-10-24T22:10Z',
      '2026-10-25T00:30Z',
      '2026-10-25T01:30Z',
      '2026-10-25T22:50Z',
    );
    expect(keptTimes(points, { hourly: 3 }, 'Europe/Berlin')).toEqual(
      points.slice(1).map(({ directory }) => directory),
    );
    expect(keptTimes(points, { daily: 4 }, 'Europe/Berlin')).toEqual(['2026-10-25T22:50Z']);
  });

  it('a day of 23 hours is one day', () => {
    const points = pointsAt('2026-03-28T23:05Z', '2026-03-29T21:55Z', '2026-03-29T22:05Z');
    expect(keptTimes(points, { daily: 4 }, 'Europe/Berlin')).toEqual([
      '2026-03-29T21:55Z',
      '2026-03-29T22:05Z',
    ]);
  });

  it('a week begins on Monday and goes over the end of a year', () => {
    const points = pointsAt(
      '2025-12-28T12:00Z',
      '2025-12-29T12:00Z',
      '2026-01-04T12:00Z',
      '2026-01-05T12:00Z',
    );
    expect(keptTimes(points, { weekly: 9 })).toEqual([
      '2025-12-28T12:00Z',
      '2026-01-04T12:00Z',
      '2026-01-05T12:00Z',
    ]);
    expect(bucketsIn('UTC')(Date.parse('2026-01-04T12:00Z')).weekly).toBe('week of 2025-12-29');
  });

  it('are of zones that there are', () => {
    expect(isTimeZone('Europe/Berlin')).toBe(true);
    expect(isTimeZone('Europe/Atlantis')).toBe(false);
  });
});

it('what is kept and what not says why, rule by rule', () => {
  const points = pointsAt('2026-11-20T01:00Z', '2026-11-21T01:00Z', '2026-11-21T02:00Z', '2026-11-22T01:00Z');
  const decisions = judgeRetention(points, { daily: 2, last: 1, withinMs: HOUR_MS }, NEVER_FAILED);
  expect(decisions.map(({ forget, reasons }) => [forget, ...reasons])).toEqual([
    [true, 'not of the last 1', 'older than the time', 'daily: 2026-11-20 is behind the last 2'],
    [true, 'not of the last 1', 'older than the time', 'daily: 2026-11-21 has a newer one'],
    [false, 'daily: 2026-11-21'],
    [false, 'the newest', 'last 1', 'within the time', 'daily: 2026-11-22'],
  ]);
});

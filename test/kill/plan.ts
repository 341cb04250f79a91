import * as fc from 'fast-check';
import { canBefall, type Harm } from './harm.js';
import type { Moment } from './moment.js';
import type { Job } from './scene.js';

/** What is done in a case; all of it comes from its seed. */
export interface Plan {
  readonly seed: number;
  readonly job: Job;
  readonly harm: Harm;
  readonly moment: Moment;
  /** Numbers from 0 to 1 for whatever a harm leaves to chance. */
  readonly chances: readonly number[];
}

const LONGEST_RUN_MS = 6000;
const LONGEST_STEP_MS = 800;
const CHANCES = 12;

/** Seeds of the cases of a run of the suite. The first is its own, so that each case is replayed by `--seed S --cases 1`. */
export function seedsFrom(seed: number, count: number): readonly number[] {
  return [seed, ...fc.sample(fc.noBias(fc.nat()), { seed, numRuns: count - 1 })];
}

export function planOf(seed: number, jobs: readonly Job[], harms: readonly Harm[]): Plan {
  const possible = harms.filter((harm) => jobs.some((job) => canBefall(harm, job)));
  const plan = fc.constantFrom(...possible).chain((harm) =>
    fc.constantFrom(...jobs.filter((job) => canBefall(harm, job))).chain((job) =>
      fc.record({
        harm: fc.constant(harm),
        job: fc.constant(job),
        moment: momentOf(job),
        chances: fc.array(
          fc.nat(1000).map((n) => n / 1000),
          { minLength: CHANCES, maxLength: CHANCES },
        ),
      }),
    ),
  );
  const [drawn] = fc.sample(fc.noBias(plan), { seed, numRuns: 1 });
  if (drawn === undefined) throw new Error('fast-check drew nothing');
  return { seed, ...drawn };
}

/** Half of the blows fall while bytes move, for that is where a run spends its life. */
function momentOf(job: Job): fc.Arbitrary<Moment> {
  return fc.oneof(
    { weight: 4, arbitrary: fc.record({ at: fc.constant('transfer' as const), percent: fc.nat(95) }) },
    {
      weight: 5,
      arbitrary: fc.record({
        at: fc.constant('step' as const),
        type: fc.constantFrom(...job.steps),
        point: fc.constantFrom('before' as const, 'in' as const, 'after' as const),
        nth: fc.constantFrom(1, 1, 1, 2),
        delayMs: fc.nat(LONGEST_STEP_MS),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ at: fc.constant('time' as const), delayMs: fc.nat(LONGEST_RUN_MS) }),
    },
  );
}

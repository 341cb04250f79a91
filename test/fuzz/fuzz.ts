import { Script } from 'node:vm';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { EverthawError } from '../../src/domain/errors.js';

/** The same for everybody, always. */
const FIXED_SEED = 5_001_983;
const OWN_SEED = Number(process.env['EVERTHAW_FUZZ_SEED'] ?? Date.now() % 2 ** 31);
/** Cases of each property and seed, where more are wanted than a test run has time for. */
const RUNS = Number(process.env['EVERTHAW_FUZZ_RUNS'] ?? 0);

/** A case that takes longer hangs; it is cut off, so that the others are run and the case is shown. */
const HANGS_MS = 20_000;
/** What no case needs on a slow machine, by the processor's time: a busy one must not make it fail. */
const LONGEST_MS = 2_000;
const SOAK_MS = 24 * 3600_000;

/**
 * A property that is tried on many cases, with a seed that stays and one that is another each time. fast-check tells seed and path of
 * a case that fails, and EVERTHAW_FUZZ_SEED tries it again.
 */
export function fuzz<T>(
  says: string,
  cases: fc.Arbitrary<T>,
  holds: (value: T) => void | Promise<void>,
  runs = 150,
): void {
  const numRuns = Math.max(runs, RUNS);
  for (const [which, seed] of [
    ['the fixed seed', FIXED_SEED],
    [`seed ${OWN_SEED}`, OWN_SEED],
  ] as const)
    it(
      `${says} (${which})`,
      async () => {
        await fc.assert(
          fc.asyncProperty(cases, async (value) => {
            const before = process.cpuUsage();
            await cutOff(() => holds(value));
            expect(process.cpuUsage(before).user / 1000).toBeLessThan(LONGEST_MS);
          }),
          { seed, numRuns },
        );
      },
      RUNS > 0 ? SOAK_MS : 60_000,
    );
}

const CALL = new Script('globalThis.fuzzedCase()');

/** Runs what may never come back. Only this way is a loop, or a regular expression, interrupted that does not wait for anything. */
function cutOff<T>(run: () => T): T {
  Object.assign(globalThis, { fuzzedCase: run });
  return CALL.runInThisContext({ timeout: HANGS_MS }) as T;
}

/** What a parser made of a case: its result, or a clear error. */
export function clearly<T>(run: () => T, ...told: readonly string[]): T | undefined {
  try {
    return run();
  } catch (error) {
    expectClear(error, ...told);
    return undefined;
  }
}

export async function clearlyLater<T>(run: Promise<T>, ...told: readonly string[]): Promise<T | undefined> {
  return run.catch((error: unknown) => {
    expectClear(error, ...told);
    return undefined;
  });
}

const LONGEST_MESSAGE = 8192;

/** An error of ours, in one line that a terminal shows as it is, which names what is `told`: the file, the place. */
export function expectClear(error: unknown, ...told: readonly string[]): void {
  if (!(error instanceof EverthawError)) throw error;
  expectOneLine(error.message);
  expect(error.hint).not.toBe('');
  for (const each of told) expect(error.message).toContain(each);
}

export function expectOneLine(text: string): void {
  expect(text).not.toMatch(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u);
  expect(text.length).toBeLessThan(LONGEST_MESSAGE);
}

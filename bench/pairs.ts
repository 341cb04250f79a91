import { spreadOf, type Spread } from './statistics.js';
import { run } from '../test/lab/run.js';

/** Measures one run and returns its seconds. */
export type Timed = () => Promise<number>;

interface Times {
  readonly ours: number;
  readonly reference: number;
}

export interface Pairs {
  readonly times: readonly Times[];
  readonly ours: Spread;
  readonly reference: Spread;
  readonly ratio: Spread;
}

/**
 * Ours and the reference by turns, each first in every other pair: what else the machine does meets both alike. What one run
 * left to be written is written before the next, or it would be counted there.
 */
export async function inPairs(runs: number, ours: Timed, reference: Timed): Promise<Pairs> {
  const pairs: Times[] = [];
  for (let pair = 0; pair < runs; pair++) {
    const times = { ours: 0, reference: 0 };
    const order = pair % 2 === 0 ? (['ours', 'reference'] as const) : (['reference', 'ours'] as const);
    for (const side of order) {
      await run('sync', []);
      times[side] = await (side === 'ours' ? ours() : reference());
    }
    pairs.push(times);
    console.log(
      `  pair ${pair + 1}: ours ${times.ours.toFixed(2)} s, reference ${times.reference.toFixed(2)} s`,
    );
  }
  return pairsOf(pairs);
}

/** The same pairs, where the reference had taken that much longer. */
export function plus({ times }: Pairs, longer: readonly number[]): Pairs {
  return pairsOf(
    times.map(({ ours, reference }, index) => ({ ours, reference: reference + (longer[index] ?? NaN) })),
  );
}

function pairsOf(times: readonly Times[]): Pairs {
  return {
    times,
    ours: spreadOf(times.map(({ ours }) => ours)),
    reference: spreadOf(times.map(({ reference }) => reference)),
    ratio: spreadOf(times.map(({ ours, reference }) => reference / ours)),
  };
}

export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

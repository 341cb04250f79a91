import type { BenchLab } from './benchLab.js';
import type { Spread } from './statistics.js';

/** One line of the result. Times are seconds, sizes MiB. */
export interface Row {
  readonly what: string;
  readonly ours?: Spread;
  readonly reference?: Spread;
  /** The reference's time by ours, of each pair: above 1 we are faster. */
  readonly ratio?: Spread;
  readonly unit: 's' | 'ms' | 'MiB';
  /** What it is to be; rows without it explain another. */
  readonly wanted?: { readonly text: string; readonly isReached: boolean };
}

export interface Figure {
  readonly name: string;
  readonly title: string;
  measure(lab: BenchLab, runs: number): Promise<readonly Row[]>;
}

export function atLeast(least: number, ratio: Spread): NonNullable<Row['wanted']> {
  return { text: `at least ${least}`, isReached: ratio.median >= least };
}

export function atMostTimes(most: number, ratio: Spread): NonNullable<Row['wanted']> {
  return { text: `at most ${most} times`, isReached: 1 / ratio.median <= most };
}

export function atMost(most: number, unit: Row['unit'], value: number): NonNullable<Row['wanted']> {
  return { text: `at most ${most} ${unit}`, isReached: value <= most };
}

import type { RunRef } from './holding.js';

/**
 * How many snapshots may be open at once (F8), of all runs of a namespace together, whatever started them. A run keeps to the limits that it
 * was started with.
 */
export interface SnapshotLimits {
  readonly perDatastore: number;
  readonly perHost: number;
  readonly perProxy: number;
}

/** Something of which only so many runs at once may have a snapshot open. */
export interface PermitNeed {
  /** The same for whoever means the same thing. */
  readonly key: string;
  /** For people: `datastore LocalDS_0`. */
  readonly of: string;
  readonly most: number;
}

/** What a run asks for before it takes a snapshot. */
export interface PermitWish {
  readonly run: RunRef;
  readonly vmName: string;
  readonly proxy: string;
  readonly needs: readonly PermitNeed[];
}

interface WaitingRun extends PermitWish {
  /** How often somebody behind it went first, for what that one needed was there. */
  readonly passed: number;
}

/** Who has a permit and who waits for one, both in the order in which they came. */
export interface PermitState {
  readonly holding: readonly PermitWish[];
  readonly waiting: readonly WaitingRun[];
}

export const NO_PERMITS: PermitState = { holding: [], waiting: [] };

/** So often others may go first; then what a run waits for is kept for it. Else one that needs two things could wait for ever. */
export const MOST_PASSED = 16;

/** A wish of a run that waits already, or holds, changes nothing. */
export function wished(state: PermitState, wish: PermitWish): PermitState {
  if (holds(state, wish.run.runId) || isOf(wish.run.runId)(state.waiting)) return state;
  return { ...state, waiting: [...state.waiting, { ...wish, passed: 0 }] };
}

/** Whether it had a permit, or waited for one, it does no more. */
export function released({ holding, waiting }: PermitState, runId: string): PermitState {
  const isOther = ({ run }: PermitWish): boolean => run.runId !== runId;
  return { holding: holding.filter(isOther), waiting: waiting.filter(isOther) };
}

export function holds({ holding }: PermitState, runId: string): boolean {
  return isOf(runId)(holding);
}

function isOf(runId: string): (wishes: readonly PermitWish[]) => boolean {
  return (wishes) => wishes.some(({ run }) => run.runId === runId);
}

/** Gives permits to all whose turn it is: in order, but for those who wait for something that others need not. */
export function granted(state: PermitState): {
  readonly state: PermitState;
  readonly to: readonly PermitWish[];
} {
  const to: PermitWish[] = [];
  const waiting: WaitingRun[] = [];
  const kept = new Set<string>();
  for (const { passed, ...wish } of state.waiting) {
    const isFree = ({ key, most }: PermitNeed): boolean =>
      !kept.has(key) && countOf([...state.holding, ...to], key) < most;
    if (wish.needs.every(isFree)) {
      to.push(wish);
      for (const [n, before] of waiting.entries())
        if (sharesNeed(before, wish)) waiting[n] = { ...before, passed: before.passed + 1 };
      continue;
    }
    waiting.push({ ...wish, passed });
    if (passed >= MOST_PASSED) for (const { key } of wish.needs) kept.add(key);
  }
  return { state: { holding: [...state.holding, ...to], waiting }, to };
}

/** What a run waits for, for people. */
export function obstaclesOf({ holding }: PermitState, { needs }: PermitWish): readonly string[] {
  return needs
    .filter(({ key, most }) => countOf(holding, key) >= most)
    .map(({ key, of }) => `${countOf(holding, key)} snapshots of ${of} are open`);
}

function countOf(wishes: readonly PermitWish[], key: string): number {
  return wishes.filter(({ needs }) => needs.some((need) => need.key === key)).length;
}

function sharesNeed(one: PermitWish, other: PermitWish): boolean {
  return one.needs.some(({ key }) => other.needs.some((need) => need.key === key));
}

import { messageOf } from '../domain/errors.js';
import type { Forgotten } from './forgetPoint.js';
import type { Retained } from './retainedPoints.js';

export type ForgetOutcome = Forgotten | { readonly state: 'failed'; readonly why: string };

/**
 * Removes restore points one after the other, the youngest first: what is built on another is younger, so whatever cuts this off leaves
 * nothing without its base. One that stays, for whatever reason, keeps what it is built on; else it holds up no other.
 */
export async function forgetDoomed(
  doomed: readonly Retained[],
  forget: (point: Retained) => Promise<Forgotten>,
  tell: (point: Retained, outcome: ForgetOutcome) => void,
): Promise<void> {
  const needed = new Set<string>();
  for (const point of doomed.toSorted((one, other) => other.at - one.at)) {
    const outcome: ForgetOutcome = needed.has(point.runId)
      ? { state: 'kept', why: 'one that is built on it could not be removed' }
      : await forget(point).catch((error: unknown) => ({ state: 'failed', why: messageOf(error) }));
    if ((outcome.state === 'kept' || outcome.state === 'failed') && point.base !== undefined)
      needed.add(point.base);
    tell(point, outcome);
  }
}

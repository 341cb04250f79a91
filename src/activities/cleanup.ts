import type { Holding } from '../domain/holding.js';
import type { CleanupStep } from '../domain/runs.js';
import { letGo } from '../holdings/kinds.js';
import type { Dependencies } from './dependencies.js';

export interface CleanupInput extends CleanupStep {
  readonly holding: Holding;
}

/** Removes the run's snapshot, so that what was written since is committed to the disk, and sees that it is gone. */
export function createCommitSnapshot(dependencies: Dependencies) {
  return async function commitSnapshot(input: CleanupInput): Promise<void> {
    await letGo(input.holding, dependencies);
  };
}

/** Lets go of any other holding, and sees that it is gone. */
export function createVcbCleanup(dependencies: Dependencies) {
  return async function vcbCleanup(input: CleanupInput): Promise<void> {
    await letGo(input.holding, dependencies);
  };
}

export interface SettleInput extends CleanupStep {
  readonly hostUuid: string;
  readonly loan: string;
}

/** The run owes nothing any more: the register may forget the host's secret, if no other run needs it. */
export function createSettle(dependencies: Dependencies) {
  return async function settle(input: SettleInput): Promise<void> {
    await dependencies.register.settle(input.hostUuid, input.loan);
  };
}

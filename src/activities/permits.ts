import type { RunRef } from '../domain/holding.js';
import type { PermitWish } from '../domain/permits.js';
import type { Liveness } from '../domain/release.js';
import type { Step } from '../domain/runs.js';

/** How runs ask for permits, and how it is found out who holds one in vain. */
export interface PermitTools {
  /** Asks whoever hands permits out, and starts it where it is not there. */
  askPermit(wish: PermitWish): Promise<void>;
  ask(run: RunRef): Promise<Liveness>;
}

type WithoutVm = Pick<Step, 'retries'>;

export interface AskPermitInput extends WithoutVm {
  readonly wish: PermitWish;
}

export function createAskPermit(tools: PermitTools) {
  return function askPermit({ wish }: AskPermitInput): Promise<void> {
    return tools.askPermit(wish);
  };
}

export interface FindClosedRunsInput extends WithoutVm {
  readonly runs: readonly RunRef[];
}

export function createFindClosedRuns(tools: PermitTools) {
  /** @returns run ids of those that are known to live no more: of whom nothing can be known may be living */
  return async function findClosedRuns({ runs }: FindClosedRunsInput): Promise<readonly string[]> {
    const closed: string[] = [];
    for (const run of runs) {
      const { state } = await tools.ask(run);
      if (state === 'closed' || state === 'unknown to its cluster') closed.push(run.runId);
    }
    return closed;
  };
}

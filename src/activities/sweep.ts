import type { SweepRequest, SweepResult, Step } from '../domain/runs.js';
import type { OwnerRecord } from '../domain/owner.js';
import type { Liveness } from '../domain/release.js';
import { endSweep } from '../holdings/endSweep.js';
import { releaseJudged } from '../holdings/releaseJudged.js';
import { summarise } from '../holdings/sweepResult.js';
import { judgeAll, type Judgement } from '../holdings/sweep.js';
import type { Outcome } from '../holdings/releaseJudged.js';
import type { Dependencies } from './dependencies.js';

export interface SweepInput extends SweepRequest {
  readonly retries: Step['retries'];
}

/** What a sweep needs that releasing does not: who can say whether an owner lives, and who measures what is left. */
export interface SweepDependencies extends Dependencies {
  readonly ask: (owner: OwnerRecord) => Promise<Liveness>;
  readonly maximumAgeMs: number;
  /** Name of this process as a sweeper. */
  readonly user: string;
  readonly measure: (judgement: Judgement, outcomes: readonly Outcome[]) => void;
}

/** Lets go of what no living run owns, on this proxy and all hosts that it knows; the same rules as `everthaw cleanup`. */
export function createSweep(dependencies: SweepDependencies) {
  return async function sweep({ proxy }: SweepInput): Promise<SweepResult> {
    const { identity, maximumAgeMs, hosts, records, destinations, user } = dependencies;
    const tools = { proxy, hosts, records, destinations, user };
    const judgement = await judgeAll(tools, dependencies.ask, { ...identity, maximumAgeMs });
    const outcomes = await releaseJudged(judgement, tools, () => undefined);
    await endSweep(tools);
    dependencies.measure(judgement, outcomes);
    return summarise(judgement, outcomes);
  };
}

import { EverthawError } from '../domain/errors.js';
import type { Step } from '../domain/runs.js';
import { endSweep } from '../holdings/endSweep.js';
import { releaseJudged } from '../holdings/releaseJudged.js';
import { judgeAll, ofVm } from '../holdings/sweep.js';
import type { SweepDependencies } from './sweep.js';

/**
 * Lets go of what dead runs left of a VM before it is backed up again (PREEXISTING_MOUNTPOINT=delete, F3): unfinished directories,
 * snapshots and all else, by the rules of every sweep. What a living run owns, and what is a whole backup, stays.
 */
export function createRemoveLeftovers(dependencies: SweepDependencies) {
  return async function removeLeftovers({ vm, proxy }: Step): Promise<readonly string[]> {
    const { identity, maximumAgeMs, hosts, records, destinations, user, ask } = dependencies;
    const tools = { proxy, hosts, records, destinations, user };
    const judgement = ofVm(await judgeAll(tools, ask, { ...identity, maximumAgeMs }), vm.instanceUuid);
    const outcomes = await releaseJudged(judgement, tools, () => undefined);
    await endSweep(tools);
    const [failed] = outcomes.filter(({ why }) => why !== undefined);
    if (failed?.why === undefined) return outcomes.map(({ judged }) => judged.found.what);
    throw new EverthawError({
      code: 'ResourceBusy',
      what: `remove what an earlier backup of "${vm.name}" left`,
      why: `${failed.judged.found.what}: ${failed.why}`,
      hint: 'see what holds it with everthaw cleanup',
      retry: 'again',
    });
  };
}

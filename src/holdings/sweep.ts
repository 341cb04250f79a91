import { messageOf } from '../domain/errors.js';
import type { OwnerRecord } from '../domain/owner.js';
import { decideRelease, type Decision, type Liveness, type ReleaseRules } from '../domain/release.js';
import type { FoundHolding, ReleaseTools } from './kind.js';
import { letGo, listAll } from './kinds.js';

/** A thing that was found, and what is to be done with it. */
export interface Judged {
  readonly found: FoundHolding;
  readonly decision: Decision;
}

/**
 * Lists everything that is held and decides by the rules of ownership what may go. `ask` asks the owner's own server, and only
 * after the list was made: what is taken later belongs to somebody who lives.
 */
export async function judgeAll(
  tools: ReleaseTools,
  ask: (owner: OwnerRecord) => Promise<Liveness>,
  rules: ReleaseRules,
): Promise<readonly Judged[]> {
  const judged: Judged[] = [];
  for (const found of await listAll(tools)) {
    const liveness: Liveness = found.owner === undefined ? { state: 'unreachable' } : await ask(found.owner);
    judged.push({ found, decision: decideRelease(found, liveness, rules) });
  }
  return judged;
}

/** Releases what was judged so; what cannot be released is told and left for the next time. */
export async function releaseJudged(
  judged: readonly Judged[],
  tools: ReleaseTools,
  say: (line: string) => void,
): Promise<number> {
  let failures = 0;
  for (const { found, decision } of judged) {
    if (!decision.release || found.holding === undefined) continue;
    try {
      const { holding } = found;
      await letGo(holding, tools);
      await tools.hosts.end(holding.vm.hostUuid, holding.run.runId);
      say(`let go: ${found.what} (${decision.reason})`);
    } catch (error) {
      failures++;
      say(`not let go: ${found.what}: ${messageOf(error)}`);
    }
  }
  return failures;
}

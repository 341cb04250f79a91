import { createHash } from 'node:crypto';
import { mapAtMost } from '../system/mapAtMost.js';
import type { OwnerRecord } from '../domain/owner.js';
import {
  canBeAsked,
  decideRelease,
  type Decision,
  type Liveness,
  type ReleaseRules,
} from '../domain/release.js';
import type { FoundHolding } from './kind.js';
import { listAll, type Listing, type SweepTools, type Trouble } from './listing.js';

const QUESTIONS_AT_ONCE = 16;

/** A thing that was found, and what is to be done with it. */
export interface Judged {
  /** Names it to people and `--force`; the same each time that it is found. */
  readonly id: string;
  readonly found: FoundHolding;
  readonly decision: Decision;
}

/** Everything that was found; `troubles` say where nothing could be seen. */
export interface Judgement {
  readonly judged: readonly Judged[];
  readonly troubles: readonly Trouble[];
}

/**
 * Lists everything that is held and decides by the rules of ownership what may go. `ask` asks the owner's own server, once for each
 * owner, and only after the list was made: what is taken later belongs to somebody who lives.
 */
export async function judgeAll(
  tools: SweepTools,
  ask: (owner: OwnerRecord) => Promise<Liveness>,
  rules: ReleaseRules,
): Promise<Judgement> {
  const listing = await listAll(tools);
  const owners = new Map<string, OwnerRecord>();
  for (const { owner } of listing.found) {
    if (owner !== undefined && canBeAsked(owner, rules)) owners.set(nameOf(owner), owner);
  }
  const livenesses = new Map(
    await mapAtMost(
      QUESTIONS_AT_ONCE,
      [...owners],
      async ([name, owner]) => [name, await ask(owner)] as const,
    ),
  );
  return judge(listing, (found) => {
    const liveness = found.owner === undefined ? undefined : livenesses.get(nameOf(found.owner));
    return decideRelease(found, liveness ?? { state: 'unreachable' }, rules);
  });
}

/** What of it is about one VM, by whom it was taken for and by where it was found. */
export function ofVm({ judged, troubles }: Judgement, vmUuid: string): Judgement {
  const about = judged.filter(({ found }) => [found.owner?.vmUuid, found.vmUuid].includes(vmUuid));
  return { judged: about, troubles };
}

/** Decides of each thing of a list. */
export function judge({ found, troubles }: Listing, decide: (found: FoundHolding) => Decision): Judgement {
  const judged = found.map((each) => ({ id: idOf(each), found: each, decision: decide(each) }));
  return { judged, troubles };
}

function nameOf({ workflowId, runId }: OwnerRecord): string {
  return `${workflowId} ${runId}`;
}

function idOf({ kind, key, hostUuid = '' }: FoundHolding): string {
  return createHash('sha256').update(`${kind}\n${hostUuid}\n${key}`).digest('hex').slice(0, 12);
}

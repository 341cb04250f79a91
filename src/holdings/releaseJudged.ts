import { mapAtMost } from '../system/mapAtMost.js';
import { withinTime } from '../system/withinTime.js';
import { EverthawError, isErrorWithCode, messageOf } from '../domain/errors.js';
import { inOneSession } from '../hosts/hostPool.js';
import { isForcible } from '../domain/release.js';
import type { FoundHolding } from './kind.js';
import { letGo } from './kinds.js';
import type { SweepTools } from './listing.js';
import type { Judged, Judgement } from './sweep.js';

/** Runs whose things are released at once: removing a snapshot costs its storage dearly. */
const RUNS_AT_ONCE = 4;
const RELEASE_PATIENCE_MS = 600_000;

/** What became of a thing that was to be let go. */
export interface Outcome {
  readonly judged: Judged;
  /** Missing where it is gone. */
  readonly why?: string;
}

/**
 * Releases what was judged so: what one run left in its order, runs beside each other. What cannot be released is told and left
 * for the next time. A host's loan goes only where nothing is left that may need it.
 */
export async function releaseJudged(
  { judged, troubles }: Judgement,
  sweep: SweepTools,
  say: (line: string) => void,
): Promise<readonly Outcome[]> {
  const tools = { ...sweep, hosts: inOneSession(sweep.hosts, sweep.user) };
  const silent = new Set(troubles.flatMap(({ hostUuid, isSilent }) => (isSilent ? (hostUuid ?? []) : [])));
  const outcomes = await mapAtMost(RUNS_AT_ONCE, byRun(judged), async (group) => {
    const released: Outcome[] = [];
    for (const each of group.filter(({ decision }) => decision.release)) {
      const { found, decision } = each;
      const why = await release(each, group, released);
      say(
        why === undefined
          ? `let go: ${found.what} (${decision.reason})`
          : `not let go: ${found.what}: ${why}`,
      );
      released.push({ judged: each, ...(why === undefined ? {} : { why }) });
    }
    await endSessions(released, tools);
    return released;
  });
  return outcomes.flat();

  async function release(
    { found }: Judged,
    group: readonly Judged[],
    released: readonly Outcome[],
  ): Promise<string | undefined> {
    const { hostUuid } = found;
    if (hostUuid !== undefined && silent.has(hostUuid)) return 'its host does not answer';
    const goesLast =
      found.kind === 'hostLoan' || (sweep.mayRunsComeBack === true && found.kind === 'partialDirectory');
    if (goesLast && found.orphaned === undefined) {
      const runsHost = hostUuid ?? found.owner?.hostUuid;
      const isSeen = troubles.every(
        (trouble) => trouble.hostUuid !== undefined && trouble.hostUuid !== runsHost,
      );
      if (!isSeen) return 'whether something of its run is left could not be seen';
      if (isLeft(group, released)) return 'not all that its run left is gone';
    }
    try {
      await withinTime(`let go of ${found.what}`, RELEASE_PATIENCE_MS, letGoOf(found, tools));
      return undefined;
    } catch (error) {
      if (hostUuid !== undefined && isErrorWithCode(error, 'HostUnreachable')) silent.add(hostUuid);
      return messageOf(error);
    }
  }
}

/** Whether something of a run stays for which its host's password may yet be needed. */
function isLeft(group: readonly Judged[], released: readonly Outcome[]): boolean {
  return (
    released.some(({ why }) => why !== undefined) ||
    group.some(
      ({ found, decision }) =>
        found.kind !== 'hostLoan' && !decision.release && !isForcible(decision.because),
    )
  );
}

/** What one run left, together: its order within the list is the order in which it can go. */
function byRun(judged: readonly Judged[]): readonly (readonly Judged[])[] {
  const groups = new Map<string, Judged[]>();
  for (const each of judged) {
    const { owner } = each.found;
    const name = owner === undefined || owner.runId === '' ? each.id : owner.runId;
    groups.set(name, [...(groups.get(name) ?? []), each]);
  }
  return [...groups.values()];
}

async function letGoOf({ holding, directly, what }: FoundHolding, tools: SweepTools): Promise<void> {
  if (holding !== undefined) return letGo(holding, tools);
  if (directly !== undefined) return directly();
  throw noWay(what);
}

/** Ends the sessions that releasing opened in the names of dead runs. One that cannot be ended is found by the next sweep. */
async function endSessions(released: readonly Outcome[], { hosts }: SweepTools): Promise<void> {
  for (const { judged } of released) {
    const { holding } = judged.found;
    if (holding !== undefined && holding.run.runId !== '')
      await hosts.end(holding.vm.hostUuid, holding.run.runId).catch(() => undefined);
  }
}

/**
 * Lets go of a thing whose owner cannot be asked, because a person said so who named it.
 *
 * @throws EverthawError NotPermitted for what is owned by somebody who lives, or may
 */
export async function releaseByForce({ found, decision }: Judged, tools: SweepTools): Promise<void> {
  if (!decision.release && !isForcible(decision.because)) {
    throw new EverthawError({
      code: 'NotPermitted',
      what: `let go of ${found.what} by force`,
      why: decision.reason,
      hint: 'end its run: everthaw cancel',
    });
  }
  // By the thing itself where that can be: a copied record names another VM than the one that it was found on.
  if (found.directly !== undefined) return found.directly();
  if (found.holding === undefined || found.vmUuid !== found.owner?.vmUuid) throw noWay(found.what);
  await letGo(found.holding, tools);
  await tools.hosts.end(found.holding.vm.hostUuid, found.holding.run.runId);
}

function noWay(what: string): EverthawError {
  return new EverthawError({
    code: 'NotPermitted',
    what: `let go of ${what}`,
    why: 'whose it is cannot be read, nor how it is to be released',
    hint: 'remove it by hand, if you know what it is',
  });
}

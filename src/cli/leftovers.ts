import { EverthawError } from '../domain/errors.js';
import type { SweepTools, Trouble } from '../holdings/listing.js';
import { releaseByForce, releaseJudged } from '../holdings/releaseJudged.js';
import type { Judged, Judgement } from '../holdings/sweep.js';
import { isAgreed } from './agreement.js';
import type { CleanupFlags } from './cleanup.js';
import { EXIT, type Output } from './output.js';

/** Shows what was found, asks, and lets go of what may go, or of the one thing that was named. */
export async function showAndRelease(
  judgement: Judgement,
  tools: SweepTools,
  flags: Pick<CleanupFlags, 'yes' | 'force'>,
  output: Output,
): Promise<void> {
  const { judged, troubles } = judgement;
  for (const each of judged) output.result(asObject(each), [asLine(each)]);
  for (const trouble of troubles) output.result({ ...trouble, unseen: true }, [unseen(trouble)]);
  if (troubles.length > 0) process.exitCode = EXIT.partial;
  if (flags.force !== undefined) return force(flags.force, judged, tools, flags.yes, output);
  const count = judged.filter(({ decision }) => decision.release).length;
  if (count === 0) {
    output.say(judged.length === 0 ? 'nothing is left over' : 'nothing of it may be let go');
    return;
  }
  if (!flags.yes && !(await isAgreed(`let go of ${count} thing${count === 1 ? '' : 's'}?`, output))) return;
  const outcomes = await releaseJudged(judgement, tools, (line) => {
    output.say(line);
  });
  for (const { judged: each, why } of outcomes)
    output.result(
      { id: each.id, kind: each.found.kind, what: each.found.what, letGo: why === undefined, why },
      [],
    );
  const failures = outcomes.filter(({ why }) => why !== undefined).length;
  if (failures > 0) process.exitCode = failures < count ? EXIT.partial : EXIT.failed;
}

async function force(
  id: string,
  judged: readonly Judged[],
  tools: SweepTools,
  isAsked: boolean,
  output: Output,
): Promise<void> {
  const named = judged.find((each) => each.id === id);
  if (named === undefined) {
    throw new EverthawError({
      code: 'WrongUsage',
      what: `let go of ${JSON.stringify(id)} by force`,
      why: 'nothing that was found has this id',
      hint: 'take the whole id from the list',
    });
  }
  const { what } = named.found;
  if (!isAsked && !(await isAgreed(`let go of ${what}, though ${named.decision.reason}?`, output))) return;
  await releaseByForce(named, tools);
  output.result({ id, what, letGo: true }, [`let go: ${what} (by force)`]);
}

function asObject({ id, found, decision }: Judged): object {
  const { kind, what, hostUuid, owner, ageMs } = found;
  return { id, kind, what, hostUuid, owner, ageMs, ...decision };
}

function asLine({ id, found, decision }: Judged): string {
  return `${decision.release ? 'release' : 'keep   '}  ${id}  ${found.what}: ${decision.reason}`;
}

function unseen({ what, why }: Trouble): string {
  return `unseen   ${what}: ${why}`;
}

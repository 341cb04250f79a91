import type { Command } from 'commander';
import type { Settings } from '../config/settings.js';
import { EverthawError } from '../domain/errors.js';
import type { SweepTools, Trouble } from '../holdings/listing.js';
import { releaseByForce, releaseJudged } from '../holdings/releaseJudged.js';
import { judgeAll, type Judged, type Judgement } from '../holdings/sweep.js';
import { clusterIdOf } from '../temporal/client.js';
import { askLiveness } from '../temporal/liveness.js';
import { isAgreed } from './agreement.js';
import { EXIT, Output } from './output.js';
import type { ReadSettings } from './readSettings.js';
import { addHostFlags } from './settingFlags.js';
import { withSweepTools } from './sweepTools.js';
import { accessTemporal } from './temporalAccess.js';

export interface CleanupFlags {
  readonly yes: boolean;
  readonly json: boolean;
  readonly force?: string;
  readonly offline: boolean;
}

/** Lists what is left over on the hosts and on this proxy, and lets go of what belongs to nobody who lives (F10). */
export function addCleanup(program: Command, readSettings: ReadSettings): void {
  addHostFlags(addCleanupFlags(program.command('cleanup'))).action(async (flags: CleanupFlags) =>
    runCleanup(await readSettings(flags), flags),
  );
}

export function addCleanupFlags(command: Command): Command {
  return command
    .description('list what is left over, and let go of what no living run owns; safe at any time')
    .option('-y, --yes', 'do not ask', false)
    .option(
      '--force <id>',
      'let go of this one thing, though nobody can say whose it is; never of a living run’s',
    )
    .option('--offline', 'where no Temporal server answers: let go of what this proxy itself took', false)
    .option('--json', 'one JSON object a line', false);
}

export async function runCleanup(settings: Settings, flags: CleanupFlags): Promise<void> {
  if (flags.offline) await (await import('./offline.js')).cleanUpOffline(settings, flags);
  else await cleanUp(settings, flags);
}

async function cleanUp(settings: Settings, flags: CleanupFlags): Promise<void> {
  const output = new Output(flags.json);
  const { client } = await accessTemporal(settings);
  const cluster = await clusterIdOf(client);
  await withSweepTools(settings, async (tools, silent) => {
    const { namespace } = settings.temporal;
    const rules = { cluster, namespace, maximumAgeMs: settings.maximumSnapshotAgeMs };
    const judgement = await judgeAll(tools, (owner) => askLiveness(client, owner), rules);
    await showAndRelease(
      { ...judgement, troubles: [...silent, ...judgement.troubles] },
      tools,
      flags,
      output,
    );
  });
  await client.connection.close();
}

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

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { isFailed } from './case.js';
import type { Harm } from './harm.js';
import { HARMS } from './harms/index.js';
import { planOf, seedsFrom, type Plan } from './plan.js';
import { tellAll } from './report.js';
import type { HostKind } from './scene.js';
import { KINDS, startScene } from './scenes/index.js';
import { Suite } from './suite.js';
import { onceEach, systematicPlans } from './systematic.js';

/*
 * `npm run test:kill -- --host vsphere --cases 20 --seed 1`: backups and restores against a real lab, and to each of them one
 * thing is done at a random moment. Then it is looked whether all was let go, and whether what succeeded has the same bytes.
 */

interface Flags {
  readonly host?: HostKind;
  readonly seconds?: string;
  readonly cases?: string;
  readonly seed?: string;
  readonly harm?: string;
  readonly without?: string;
  readonly job?: string;
  readonly lanes: string;
  readonly systematic?: true | 'all';
}

const MANY = 100_000;

const flags = new Command('test:kill')
  .description('do harm to backups and restores, and see that all is let go and all bytes are right')
  .addOption(new Option('--host <kind>', 'only this kind of host').choices(['vsphere', 'libvirt']))
  .option('--seconds <number>', 'begin no case after this time')
  .option('--cases <number>', 'how many cases on each host; 20, or as many as fit into --seconds')
  .option('--seed <number>', 'where chance begins: a case is replayed by its seed and --cases 1')
  .option('--harm <text>', 'only harms with this in their name')
  .option('--without <text>', 'no harms with this in their name')
  .option('--job <text>', 'only kinds of run with this in their name')
  .option('--lanes <number>', 'so many labs side by side, each with cases of its own', '1')
  .option(
    '--systematic [all]',
    'every step and every kind of holding once, in order, or with all: each by each harm and in each kind of run; --seed is the number of the first',
  )
  .parse()
  .opts<Flags>();

// What the product notes in a home directory is nobody's but the suite's.
const home = await mkdtemp(join(tmpdir(), 'everthaw-home-'));
process.env['XDG_STATE_HOME'] = home;
const isSystematic = flags.systematic !== undefined;
const seed = Number(flags.seed ?? (isSystematic ? 1 : Date.now() % 1_000_000));
const endsAt = flags.seconds === undefined ? Infinity : Date.now() + Number(flags.seconds) * 1000;
const usual = flags.seconds === undefined && !isSystematic ? 20 : MANY;
const count = Number(flags.cases ?? usual);
const seeds = seedsFrom(seed, count);
const hosts: readonly HostKind[] = flags.host === undefined ? ['vsphere', 'libvirt'] : [flags.host];
console.log(`seed ${seed}`);
const plans = new Map(hosts.map((host) => [host, plansFor(host)]));
const suites: Suite[] = [];
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    void Promise.allSettled(suites.map((suite) => suite.stop())).then(() => process.exit(130));
  });
try {
  const lanes = Array.from({ length: Number(flags.lanes) }, (_, lane) => lane);
  await Promise.all(
    lanes.map((lane) => runLane(lanes.length < hosts.length ? hosts : [hosts[lane % hosts.length]!])),
  );
} finally {
  await Promise.allSettled(suites.map((suite) => suite.stop()));
  await rm(home, { recursive: true, force: true });
}
const verdicts = suites.flatMap((suite) => suite.verdicts);
console.log(tellAll(verdicts));
process.exit(verdicts.some(isFailed) ? 1 : 0);

/** Takes the next case of each of these hosts in turn, until there are no more or time is up. */
async function runLane(mine: readonly HostKind[]): Promise<void> {
  const labs = mine.map((host) => ({ host, suite: new Suite(() => startScene(host), console.log) }));
  suites.push(...labs.map(({ suite }) => suite));
  for (let isOver = false; !isOver;) {
    isOver = true;
    for (const { host, suite } of labs) {
      const plan = Date.now() < endsAt ? plans.get(host)?.next().value : undefined;
      if (plan === undefined) continue;
      isOver = false;
      await suite.run(plan);
    }
  }
}

function plansFor(host: HostKind): Iterator<Plan, undefined> {
  const isWanted = ({ name }: Harm) =>
    name.includes(flags.harm ?? '') && (flags.without === undefined || !name.includes(flags.without));
  const jobs = KINDS[host].jobs.filter(({ name }) => name.includes(flags.job ?? ''));
  if (isSystematic) {
    const all = systematicPlans(KINDS[host]);
    return (flags.systematic === 'all' ? all : onceEach(all))
      .filter((plan) => plan.seed >= seed && jobs.includes(plan.job) && isWanted(plan.harm))
      .slice(0, count)
      .values();
  }
  const harms = HARMS.filter((harm) => harm.hosts.includes(host) && isWanted(harm));
  return seeds.map((each) => planOf(each, jobs, harms)).values();
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { isFailed } from './case.js';
import type { Harm } from './harm.js';
import { HARMS } from './harms/index.js';
import { planOf, seedsFrom, type Plan } from './plan.js';
import { tellAll } from './report.js';
import type { HostKind, Scene } from './scene.js';
import { startScene } from './scenes/index.js';
import { Suite } from './suite.js';
import { systematicPlans } from './systematic.js';

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
  readonly systematic?: true;
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
  .option('--systematic', 'every step and every kind of holding, in order; --seed is the number of the first')
  .parse()
  .opts<Flags>();

// What the product notes in a home directory is nobody's but the suite's.
const home = await mkdtemp(join(tmpdir(), 'everthaw-home-'));
process.env['XDG_STATE_HOME'] = home;
const isSystematic = flags.systematic === true;
const seed = Number(flags.seed ?? (isSystematic ? 1 : Date.now() % 1_000_000));
const endsAt = flags.seconds === undefined ? Infinity : Date.now() + Number(flags.seconds) * 1000;
const usual = flags.seconds === undefined && !isSystematic ? 20 : MANY;
const count = Number(flags.cases ?? usual);
const seeds = seedsFrom(seed, count);
const hosts: readonly HostKind[] = flags.host === undefined ? ['vsphere', 'libvirt'] : [flags.host];
console.log(`seed ${seed}`);
const suites = hosts.map((host) => ({ host, suite: new Suite(() => startScene(host), console.log) }));
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    void Promise.allSettled(suites.map(({ suite }) => suite.stop())).then(() => process.exit(130));
  });
try {
  for (let number = 0; number < count && Date.now() < endsAt; number++) {
    let isOver = true;
    for (const { host, suite } of suites) {
      const plan = planFor(number, host, await suite.scene());
      if (plan === undefined || Date.now() > endsAt) continue;
      isOver = false;
      await suite.run(plan);
    }
    if (isOver) break;
  }
} finally {
  for (const { suite } of suites) await suite.stop();
  await rm(home, { recursive: true, force: true });
}
const verdicts = suites.flatMap(({ suite }) => suite.verdicts);
console.log(tellAll(verdicts));
process.exit(verdicts.some(isFailed) ? 1 : 0);

/** The case of this number on a host; nothing where there are no more. */
function planFor(number: number, host: HostKind, scene: Scene): Plan | undefined {
  const isWanted = ({ name }: Harm) =>
    name.includes(flags.harm ?? '') && (flags.without === undefined || !name.includes(flags.without));
  const jobs = scene.jobs.filter(({ name }) => name.includes(flags.job ?? ''));
  if (isSystematic) {
    const all = systematicPlans(scene).filter(({ job, harm }) => jobs.includes(job) && isWanted(harm));
    return all.filter((plan) => plan.seed >= seed)[number];
  }
  const harms = HARMS.filter((harm) => harm.hosts.includes(host) && isWanted(harm));
  return planOf(seeds[number] ?? seed, jobs, harms);
}

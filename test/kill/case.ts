import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../src/system/until.js';
import { processesOf } from '../lab/leftovers.js';
import type { Ran } from '../lab/run.js';
import { BOUNDS, RUN_PATIENCE_MS, SWEEPS } from './bounds.js';
import type { Blow, Struck } from './harm.js';
import { smallDestination } from './harms/destination.js';
import { awaitMoment, tellMoment } from './moment.js';
import type { Plan } from './plan.js';
import { RunWatch } from './runWatch.js';
import type { Scene } from './scene.js';

const LOOK_MS = 100;
const START_PATIENCE_MS = 60_000;

/** Steps that let go of what others took. */
const RELEASES = new Set(['commitSnapshot', 'vcbCleanup', 'settle']);

/** What there was before anything was done. */
export interface Baseline {
  readonly held: readonly string[];
  readonly untouched: readonly string[];
}

export async function baselineOf(scene: Scene): Promise<Baseline> {
  return { held: await scene.look(), untouched: await scene.untouched() };
}

export interface Verdict {
  readonly plan: Plan;
  readonly told: string;
  /** How the run ended, and how long it took to let go. */
  readonly ended: string;
  readonly isHit: boolean;
  readonly leftOver: readonly string[];
  readonly wrongBytes: readonly string[];
  readonly otherProblems: readonly string[];
  readonly letGoMs: number;
  readonly measured: Readonly<Record<string, number>>;
}

/** Runs one case: a run, one harm to it, all mended again, and then the eyes. */
export async function runCase(
  scene: Scene,
  plan: Plan,
  number: number,
  { baseline, patienceMs }: { readonly baseline: Baseline; readonly patienceMs: number },
): Promise<Verdict> {
  const { job, harm, moment } = plan;
  const destination =
    harm.smallDestination === true ? smallDestination(scene.everthaw.directory) : scene.everthaw.backups;
  const errand = await scene.prepare(job, number, destination);
  const problems: string[] = [];
  const measured: Record<string, number> = {};
  const chances = plan.chances.values();
  const next = (): number => chances.next().value ?? 0.5;
  const blowOn = (run: RunWatch): Blow => ({
    scene,
    run,
    vmName: errand.vmName,
    chance: (from, to) => from + (to - from) * next(),
    pick: (choices) => choices[Math.min(choices.length - 1, Math.floor(next() * choices.length))]!,
  });

  const stopWatching = scene.watch(errand);
  const nobody = new RunWatch(scene.client, 'none', 'none');
  const unprepare = await harm.prepare?.(scene);
  let struck: Struck | undefined;
  if (harm.when === 'all the while') struck = await harm.strike(blowOn(nobody));
  const [command = '', ...args] = errand.command;
  const cli: Promise<Ran> = scene.everthaw.everthawWith(
    errand.environment ?? {},
    command,
    ...args,
    '--detach',
  );
  const starting = new AbortController();
  const timer = setTimeout(() => {
    starting.abort();
  }, START_PATIENCE_MS);
  void cli.then(async ({ code }) => {
    if (code !== 0)
      await sleep(1000).then(() => {
        starting.abort();
      });
  });
  let run: RunWatch;
  try {
    run = await RunWatch.next(scene.client, starting.signal);
  } catch {
    const { code, stderr } = await cli;
    await struck?.mend();
    await unprepare?.();
    await stopWatching();
    const why = `the run was not started (${code}): ${stderr}`;
    return verdict({ told: harm.name, ended: 'not started', isHit: false, problems: [why] });
  } finally {
    clearTimeout(timer);
  }

  let isHit = true;
  let struckAt = Date.now();
  if (harm.when === 'at a moment') {
    isHit = await awaitMoment(moment, run, scene, job.moves);
    struckAt = Date.now();
    struck = await harm.strike(blowOn(run));
    await struck.mend();
  }
  let mendedAt = Date.now();
  if (harm.when === 'at a moment') await scene.heal();
  const patience = AbortSignal.timeout(RUN_PATIENCE_MS);
  let status: string;
  try {
    if (harm.cancels === true && isHit) await measureStop();
    else if (harm.terminates !== true && harm.when === 'at a moment') await measureProgress();
    status = await run.ended(patience);
  } catch (error) {
    problems.push(`the run does not end: ${await tellPending(run)} (${String(error)})`);
    status = 'STILL RUNNING';
  }
  if (harm.when === 'all the while') {
    await struck?.mend();
    await scene.heal();
    mendedAt = Date.now();
  }
  await cli;
  if (status === 'TERMINATED') {
    mendedAt = Date.now();
    await sweep(scene, problems);
  }
  const leftOver = await untilClean(scene, baseline, patienceFor(status, patienceMs));
  const cleanAt = Date.now();
  const { letGoMs, workMs } = await letGoTime(run, {
    mendedAt,
    cleanAt,
    struckAt,
    harm,
    isTerminated: status === 'TERMINATED',
  });
  measured['work'] = workMs;
  const bound = harm.cancels === true && isHit ? BOUNDS.letGoAfterCancel : BOUNDS.letGo;
  if (letGoMs > bound.failsMs) problems.push(`letting go took ${letGoMs} ms`);
  const ended = await tellEnd(run, status);
  const isDone = status === 'COMPLETED';
  const mayFail = job.run === 'mount' && harm.endsProxy === true;
  if (harm.demand === 'succeeded' && !isDone && !mayFail)
    problems.push(`the run had to succeed, and ${ended}`);
  const results = isDone ? [] : await scene.results(errand);
  const mayBeWhole = !isDone && results.length > 0 && (await hasBegun(run, job.finishes));
  const wrongBytes = isDone || mayBeWhole ? await scene.wrongBytes(errand) : [];
  if (!mayBeWhole) problems.push(...results);
  await unprepare?.();
  const watched = await stopWatching();
  Object.assign(measured, watched.measured);
  if (harm.stillsVm !== true) problems.push(...watched.problems);
  problems.push(...(await scene.unwell()));
  await scene.tidy(errand);
  const untouched = await scene.untouched();
  for (const line of difference(baseline.untouched, untouched)) problems.push(`no more as it was: ${line}`);
  for (const line of difference(untouched, baseline.untouched)) problems.push(`was not there: ${line}`);
  return verdict({
    told: struck?.told ?? harm.name,
    ended: `${ended}${tellResult()}`,
    isHit,
    problems,
    leftOver,
    wrongBytes,
    letGoMs,
  });

  function tellResult(): string {
    if (!isDone && !mayBeWhole) return '';
    const bytes = wrongBytes.length === 0 ? 'restored identical' : 'WRONG BYTES';
    return `, ${isDone ? '' : 'its result is there, '}${bytes}`;
  }

  async function measureProgress(): Promise<void> {
    const signal = AbortSignal.timeout(BOUNDS.progress.failsMs);
    await run.progressSince(mendedAt, signal).catch(() => {
      problems.push(`no progress within ${BOUNDS.progress.failsMs} ms`);
    });
    measured['progress'] = Date.now() - mendedAt;
  }

  async function measureStop(): Promise<void> {
    const copies = () =>
      processesOf(scene.everthaw.state).some(({ args }) => /copierProcess|nbdcopy|convert\0|curl/.test(args));
    await until(() => !copies(), AbortSignal.timeout(BOUNDS.transferStopped.failsMs)).catch(() => {
      problems.push(`it copies on ${BOUNDS.transferStopped.failsMs} ms after it was cancelled`);
    });
    measured['stopped'] = Date.now() - struckAt;
  }

  function verdict(
    found: Pick<Verdict, 'told' | 'ended' | 'isHit'> & {
      readonly problems: readonly string[];
      readonly leftOver?: readonly string[];
      readonly wrongBytes?: readonly string[];
      readonly letGoMs?: number;
    },
  ): Verdict {
    const { told, ended: end, isHit: hit, problems: otherProblems } = found;
    return {
      plan,
      told: `${told} ${harm.when === 'all the while' ? '' : tellMoment(moment)}`.trim(),
      ended: end,
      isHit: hit,
      leftOver: found.leftOver ?? [],
      wrongBytes: found.wrongBytes ?? [],
      otherProblems,
      letGoMs: found.letGoMs ?? 0,
      measured,
    };
  }
}

/** A run that does not end lets nothing go; after a terminated one the sweep has done what it does. */
function patienceFor(status: string, usualMs: number): number {
  if (status === 'STILL RUNNING') return 0;
  return status === 'TERMINATED' ? Math.min(usualMs, BOUNDS.letGoAfterCancel.failsMs) : usualMs;
}

/** As an administrator would after a terminated run: what is not let go now is tried again. */
async function sweep(scene: Scene, problems: string[]): Promise<void> {
  for (let number = 1; number <= SWEEPS; number++) {
    const { code, stdout, stderr } = await scene.everthaw.everthaw('cleanup', '-y');
    if (code === 0) return;
    if (number === SWEEPS) problems.push(`the sweep does not get it done: ${stdout}${stderr}`);
    await sleep(1000);
  }
}

/** What is there beyond the baseline when patience ends, or nothing as soon as that is so. What is missing of it counts too. */
async function untilClean(scene: Scene, baseline: Baseline, patienceMs: number): Promise<readonly string[]> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const held = await scene.look();
    const found = [
      ...difference(held, baseline.held),
      ...difference(baseline.held, held).map((line) => `gone though it is somebody else's: ${line}`),
    ];
    if (found.length === 0 || Date.now() > deadline) return found;
    await sleep(LOOK_MS);
  }
}

export function difference(all: readonly string[], without: readonly string[]): readonly string[] {
  return all.filter((line) => !without.includes(line));
}

interface Times {
  readonly struckAt: number;
  readonly mendedAt: number;
  readonly cleanAt: number;
  readonly harm: Plan['harm'];
  readonly isTerminated: boolean;
}

/** How long it took to let go, from when nothing kept the run from it. */
async function letGoTime(run: RunWatch, times: Times): Promise<{ letGoMs: number; workMs: number }> {
  const { steps, endedAt } = await run.past();
  const work = steps.filter(({ type }) => !RELEASES.has(type));
  const workEndedAt = Math.max(0, ...work.map((step) => step.endedAt ?? 0));
  const workMs = Math.round(workEndedAt - (steps[0]?.scheduledAt ?? workEndedAt));
  const from = times.harm.cancels === true ? times.struckAt : Math.max(times.mendedAt, workEndedAt);
  const isSeenLater = times.cleanAt - endedAt > 2000 || times.isTerminated;
  const to = isSeenLater ? times.cleanAt : endedAt;
  return { letGoMs: Math.max(0, Math.round(to - from)), workMs };
}

async function hasBegun(run: RunWatch, step: string): Promise<boolean> {
  return (await run.past()).steps.some(({ type }) => type === step);
}

async function tellPending(run: RunWatch): Promise<string> {
  const look = await run.look();
  return look === undefined
    ? 'the server does not answer'
    : look.pending.map(({ type, attempt }) => `${type}, attempt ${attempt}`).join('; ');
}

async function tellEnd(run: RunWatch, status: string): Promise<string> {
  if (status === 'COMPLETED') return 'succeeded';
  if (status !== 'FAILED') return status.toLowerCase();
  const why = await run.handle.result().then(
    () => 'nobody knows why',
    (error: unknown) => causeOf(error),
  );
  return `failed (${why})`;
}

function causeOf(error: unknown): string {
  let at = error;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  return at instanceof Error ? at.message : String(at);
}

export function isFailed({ leftOver, wrongBytes, otherProblems }: Verdict): boolean {
  return leftOver.length + wrongBytes.length + otherProblems.length > 0;
}

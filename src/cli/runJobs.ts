import { setTimeout as sleep } from 'node:timers/promises';
import type { Settings } from '../config/settings.js';
import { EverthawError } from '../domain/errors.js';
import { formatDuration } from '../domain/format.js';
import { formatCounts, type JobResult, type JobState } from '../domain/jobs.js';
import { jobWorkflowId, PHASE_QUERY } from '../domain/names.js';
import { printable } from '../domain/printable.js';
import { lastRunOf, startJobNow, type JobHandle, type LastRun } from '../temporal/jobRuns.js';
import { withJob } from './jobAccess.js';
import type { RunJobFlags } from './jobs.js';
import { LoneRun } from './loneRun.js';
import { EXIT, Output } from './output.js';
import { runError } from './runError.js';

const LOOK_MS = 1000;

/** Runs a job now, by what was applied, and follows it. @throws EverthawError JobRunning, JobNotFound */
export async function runJob(settings: Settings, name: string, flags: RunJobFlags): Promise<void> {
  const output = new Output(flags.json);
  await withJob(settings, name, async (client, { job }) => {
    const last = flags.failed ? await lastRunOf(client, name) : undefined;
    const only = flags.failed ? failedOf(name, last) : undefined;
    if (only?.length === 0) {
      output.result({ state: 'succeeded', vms: 0 }, ['all VMs succeeded in its last run']);
      return;
    }
    const handle = await startJobNow(client, only === undefined ? { job } : { job, only });
    output.say(`job "${name}" started as ${handle.workflowId}`);
    if (!flags.detach) await follow(handle, output);
  });
}

/** Follows the living run of a job. */
export async function watchJob(settings: Settings, name: string, json: boolean): Promise<void> {
  await withJob(settings, name, async (client) => {
    await follow(livingRun(await lastRunOf(client, name), name).handle, new Output(json));
  });
}

/** Ends the living run of a job. @throws EverthawError RunNotFound */
export async function cancelJob(settings: Settings, name: string): Promise<void> {
  await withJob(settings, name, async (client) => {
    await livingRun(await lastRunOf(client, name), name).handle.cancel();
  });
  console.log('cancelled; watch it let go with everthaw jobs watch');
}

export async function pauseJob(
  settings: Settings,
  name: string,
  what: 'pause' | 'resume',
  because: string | undefined,
): Promise<void> {
  await withJob(settings, name, async (client) => {
    const schedule = client.schedule.getHandle(jobWorkflowId(name));
    await (what === 'pause' ? schedule.pause(because) : schedule.unpause(because));
  });
  console.log(what === 'pause' ? `job "${name}" is paused` : `job "${name}" starts by its schedule again`);
}

/** Of several starts that were missed the first one runs; the others find it living, and are skipped. */
export async function backfillJob(
  settings: Settings,
  name: string,
  { since, until }: { readonly since: string; readonly until?: string },
): Promise<void> {
  const start = timeOf('--since', since);
  const end = until === undefined ? new Date() : timeOf('--until', until);
  if (start >= end) throw refused('--since', 'it is not before the end', 'name an earlier time');
  await withJob(settings, name, async (client) => {
    await client.schedule.getHandle(jobWorkflowId(name)).backfill({ start, end, overlap: 'ALLOW_ALL' });
  });
  console.log(`what job "${name}" missed since ${start.toISOString()} is started; see everthaw jobs list`);
}

/** Follows a job to its end; a line says each time how far it is. */
async function follow(handle: JobHandle, output: Output): Promise<void> {
  const run = new LoneRun(handle, output);
  const ended = new AbortController();
  const telling = tellPhases(handle, output, ended.signal);
  try {
    const result = await handle.result();
    ended.abort();
    await telling;
    if (result.state !== 'cancelled') run.endedWell();
    output.result(result, linesOf(result));
    process.exitCode = EXIT_OF[result.state];
  } catch (error) {
    const failure = runError(error);
    await run.endedBadly(failure);
    throw failure;
  } finally {
    ended.abort();
    run.end();
  }
}

const EXIT_OF: Readonly<Record<JobState, number>> = {
  succeeded: EXIT.done,
  skipped: EXIT.done,
  partial: EXIT.partial,
  failed: EXIT.failed,
  cancelled: EXIT.interrupted,
};

async function tellPhases(handle: JobHandle, output: Output, signal: AbortSignal): Promise<void> {
  let told = '';
  while (!signal.aborted) {
    // Between two runs of a long job nobody answers for a moment.
    const phase = await handle.query<string>(PHASE_QUERY).catch(() => told);
    if (phase !== told) output.say(printable(phase));
    told = phase;
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}

function linesOf({ state, counts, notable, forgotten, untold, durationMs }: JobResult): readonly string[] {
  return [
    ...notable.map(({ vm, state: of, reason }) => printable(`${vm.name} ${of}: ${reason ?? ''}`)),
    ...forgotten,
    ...untold.map(printable),
    `job ${state}: ${formatCounts(counts)}, in ${formatDuration(durationMs)}`,
  ];
}

/** Instance uuids. @throws EverthawError RunNotFound where it has no last run that says */
function failedOf(name: string, last: LastRun | undefined): readonly string[] {
  if (last?.result === undefined)
    throw new EverthawError({
      code: 'RunNotFound',
      what: `run what failed of job "${name}"`,
      why:
        last === undefined ? 'it never ran' : `its last run ${last.state}, and does not say which VMs failed`,
      hint: `run all of it: everthaw jobs run ${JSON.stringify(name)}`,
    });
  return last.result.notable.flatMap(({ vm, state }) => (state === 'warned' ? [] : [vm.instanceUuid]));
}

function livingRun(last: LastRun | undefined, name: string): LastRun {
  if (last?.state === 'running') return last;
  throw new EverthawError({
    code: 'RunNotFound',
    what: `find the run of job "${name}"`,
    why: 'none is living',
    hint: `start one: everthaw jobs run ${JSON.stringify(name)}`,
  });
}

function timeOf(flag: string, text: string): Date {
  const time = new Date(text);
  if (!Number.isNaN(time.getTime())) return time;
  throw refused(flag, `${JSON.stringify(text)} is no time`, 'write it as 2026-11-23T01:00:00Z');
}

function refused(flag: string, why: string, hint: string): EverthawError {
  return new EverthawError({ code: 'WrongUsage', what: `read ${flag}`, why, hint });
}

import type { Client } from '@temporalio/client';
import type { Settings } from '../config/settings.js';
import { messageOf } from '../domain/errors.js';
import { formatAgo } from '../domain/format.js';
import { formatCounts, type JobDefinition } from '../domain/jobs.js';
import { printable } from '../domain/printable.js';
import { mapAtMost } from '../system/mapAtMost.js';
import { lastRunOf, type LastRun } from '../temporal/jobRuns.js';
import { appliedJob, appliedNames, changedKeys, type AppliedJob } from '../temporal/jobSchedules.js';
import { scheduleTold, sourceOf } from './applyJobs.js';
import { withJob } from './jobAccess.js';
import { Output } from './output.js';
import { runError } from './runError.js';
import { formatTable } from './table.js';
import { accessTemporal } from './temporalAccess.js';

const AT_ONCE = 8;

/** Each job that is written down or applied. */
export async function listJobs(settings: Settings, json: boolean): Promise<void> {
  const output = new Output(json);
  const { client } = await accessTemporal(settings);
  try {
    const names = new Set([...settings.jobs.map(({ name }) => name), ...(await appliedNames(client))]);
    const rows = await mapAtMost(AT_ONCE, [...names].sort(), (name) => rowOf(client, settings, name));
    if (names.size === 0) output.say('there is no job: write one into everthaw.yaml (docs/jobs.md)');
    else if (json) for (const { object } of rows) output.result(object, []);
    else
      for (const line of formatTable(
        ['job', 'state', 'next start', 'last run', 'ended', 'VMs'],
        rows.map(({ cells }) => cells.map(printable)),
      ))
        output.say(line);
  } finally {
    await client.connection.close();
  }
}

async function rowOf(client: Client, settings: Settings, name: string) {
  const [applied, last] = await Promise.all([appliedJob(client, name), lastRunOf(client, name)]);
  const written = settings.jobs.find((job) => job.name === name);
  const state = stateOf(settings, applied, written);
  const [next] = applied?.isPaused === false ? applied.next : [];
  const counts = last?.result?.counts;
  return {
    object: {
      ...{ job: name, state, next: next?.toISOString() },
      last: last === undefined ? undefined : { ...toldOf(last), counts },
    },
    cells: [
      ...[name, state, next?.toISOString() ?? '-', last === undefined ? 'never' : formatAgo(last.startedAt)],
      ...[last?.state ?? '-', counts === undefined ? '-' : formatCounts(counts)],
    ],
  };
}

function stateOf(
  settings: Settings,
  applied: AppliedJob | undefined,
  written: JobDefinition | undefined,
): string {
  if (applied === undefined) return 'not applied';
  const isOurs = applied.source === sourceOf(settings);
  const said = [
    applied.isPaused ? 'paused' : applied.job.schedule === undefined ? 'by hand' : 'scheduled',
    ...(applied.hasDrifted ? ['edited elsewhere'] : []),
    ...(isOurs && written === undefined ? ['no longer in everthaw.yaml'] : []),
    ...(isOurs && written !== undefined && changedKeys(applied.job, written).length > 0
      ? ['changed in everthaw.yaml']
      : []),
    ...(isOurs ? [] : [`of ${applied.source}`]),
  ];
  return said.join(', ');
}

/** A job as it was applied, and its last run. */
export async function showJob(settings: Settings, name: string, json: boolean): Promise<void> {
  const output = new Output(json);
  await withJob(settings, name, async (client, applied) => {
    const { job, source, isPaused, note, hasDrifted, next } = applied;
    const last = await lastRunOf(client, name);
    const result = last?.result;
    output.result({ ...applied, last: last === undefined ? undefined : { ...toldOf(last), result } }, [
      printable(`job ${job.name}, applied from ${source}, run by proxy ${job.proxy}`),
      `  ${scheduleTold(job)}${isPaused ? `; paused${note === undefined ? '' : `: ${printable(note)}`}` : ''}`,
      ...(hasDrifted
        ? ['  it was edited elsewhere since: everthaw jobs apply makes it what everthaw.yaml says']
        : []),
      ...(next[0] === undefined || isPaused ? [] : [`  next start ${next[0].toISOString()}`]),
      printable(
        `  VMs ${job.vms.join(', ')}${job.exclude.length === 0 ? '' : `, without ${job.exclude.join(', ')}`}; ${job.parallel} at once`,
      ),
      printable(`  settings ${JSON.stringify(job.settings)}`),
      ...(job.files === undefined ? [] : [printable(`  files ${JSON.stringify(job.files)}`)]),
      ...(job.keep === undefined ? [] : [`  keeps ${JSON.stringify(job.keep)}`]),
      ...(last === undefined
        ? ['it never ran, or long ago']
        : [
            `last run ${last.startedAt.toISOString()}: ${last.state}${result === undefined ? '' : `, ${formatCounts(result.counts)}`}`,
            ...(last.error === undefined ? [] : [printable(`  ${messageOf(runError(last.error))}`)]),
          ]),
      ...(result === undefined
        ? []
        : [
            ...result.notable.map(({ vm, state, reason }) =>
              printable(`  ${vm.name} ${state}: ${reason ?? ''}`),
            ),
            ...[...result.forgotten, ...result.untold].map((line) => printable(`  ${line}`)),
          ]),
    ]);
  });
}

/** When a job starts next. */
export async function showNext(settings: Settings, name: string, json: boolean): Promise<void> {
  const output = new Output(json);
  await withJob(settings, name, (_client, { isPaused, next, job }) => {
    for (const start of next)
      output.result({ job: name, at: start.toISOString(), isPaused }, [start.toISOString()]);
    if (next.length === 0) output.say(scheduleTold(job));
    else if (isPaused) output.say('paused: none of these starts anything');
    return Promise.resolve();
  });
}

function toldOf({ startedAt, endedAt, state, error }: LastRun) {
  const message = error === undefined ? undefined : messageOf(runError(error));
  return { startedAt: startedAt.toISOString(), endedAt: endedAt?.toISOString(), state, message };
}

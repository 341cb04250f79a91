import type { Client } from '@temporalio/client';
import type { Settings } from '../config/settings.js';
import { EverthawError, messageOf } from '../domain/errors.js';
import type { JobDefinition } from '../domain/jobs.js';
import { printable } from '../domain/printable.js';
import { mapAtMost } from '../system/mapAtMost.js';
import {
  appliedJob,
  appliedNames,
  changedKeys,
  putJob,
  removeJob,
  type AppliedJob,
} from '../temporal/jobSchedules.js';
import { isAgreed } from './agreement.js';
import type { ApplyFlags } from './jobs.js';
import { EXIT, Output } from './output.js';
import { formatTable } from './table.js';
import { accessTemporal } from './temporalAccess.js';

/** Schedules that are asked for or written at once. */
const AT_ONCE = 8;

/** What is to be done about one job. */
interface Change {
  readonly name: string;
  readonly does: 'add' | 'change' | 'remove' | 'keep' | 'leave';
  readonly because: string;
  readonly job?: JobDefinition;
  readonly applied?: AppliedJob;
}

/** Where a job was applied from: who applies from elsewhere changes nothing of it. */
export function sourceOf({ proxy, configFile }: Settings): string {
  return `${proxy}:${configFile ?? ''}`;
}

/** Makes schedules of the jobs of everthaw.yaml, and removes those whose job is gone from it (F8). @throws EverthawError */
export async function applyJobs(settings: Settings, flags: ApplyFlags): Promise<void> {
  const output = new Output(flags.json);
  const isAsked = !flags.dryRun && !flags.yes;
  if (settings.configFile === undefined)
    throw refused('there is no everthaw.yaml', 'write one: docs/jobs.md shows it; or name it by --config');
  if (isAsked && (flags.json || !process.stdin.isTTY))
    throw refused('nobody can be asked here', 'say --yes, or --dry-run to see only');
  const { client } = await accessTemporal(settings);
  try {
    const changes = await changesFor(client, settings.jobs, sourceOf(settings));
    tell(changes, output);
    const toDo = changes.filter(({ does }) => does !== 'keep' && does !== 'leave');
    if (changes.some(({ does, job }) => does === 'leave' && job !== undefined))
      process.exitCode = EXIT.partial;
    if (flags.dryRun || toDo.length === 0) return;
    if (isAsked && !(await isAgreed(`apply ${toDo.length} of them?`, output))) return;
    await carryOut(client, toDo, sourceOf(settings), output);
  } finally {
    await client.connection.close();
  }
}

async function changesFor(
  client: Client,
  jobs: readonly JobDefinition[],
  source: string,
): Promise<readonly Change[]> {
  const wanted = await mapAtMost(AT_ONCE, jobs, async (job) =>
    changeFor(job, await appliedJob(client, job.name), source),
  );
  const gone = (await appliedNames(client)).filter((name) => !jobs.some((job) => job.name === name));
  const removed = await mapAtMost(AT_ONCE, gone, async (name): Promise<readonly Change[]> => {
    const applied = await appliedJob(client, name);
    if (applied === undefined) return [];
    if (applied.source === source)
      return [{ name, does: 'remove', because: 'it is not in everthaw.yaml any more', applied }];
    return [{ name, does: 'leave', because: `it was applied from ${applied.source}`, applied }];
  });
  return [...wanted, ...removed.flat()];
}

function changeFor(job: JobDefinition, applied: AppliedJob | undefined, source: string): Change {
  const { name } = job;
  if (applied === undefined) return { name, does: 'add', because: scheduleTold(job), job };
  if (applied.source !== source)
    return {
      ...{ name, does: 'leave', job, applied },
      because: `a job of that name was applied from ${applied.source}: name this one otherwise`,
    };
  const changed = changedKeys(applied.job, job);
  if (changed.length > 0) return { name, does: 'change', because: changed.join(', '), job, applied };
  if (applied.hasDrifted)
    return { name, does: 'change', because: 'it was edited elsewhere since it was applied', job, applied };
  return { name, does: 'keep', because: scheduleTold(job), job, applied };
}

/** When it runs, in the words of its writer. */
export function scheduleTold({ schedule }: JobDefinition): string {
  if (schedule === undefined) return 'no schedule: it runs when it is told to';
  const jitter = schedule.jitterMs === 0 ? '' : `, up to ${schedule.jitterMs / 1000} s later`;
  return `${schedule.cron.join(' and ')} (${schedule.timeZone})${jitter}`;
}

function tell(changes: readonly Change[], output: Output): void {
  if (output.json)
    for (const { name, does, because } of changes) output.result({ job: name, does, because }, []);
  else if (changes.length === 0) output.say('there is no job, neither in everthaw.yaml nor on the server');
  else {
    const rows = changes.map(({ name, does, because }) => [does, printable(name), printable(because)]);
    for (const line of formatTable(['', 'job', 'because'], rows)) output.say(line);
  }
}

/** One that fails holds up no other. */
async function carryOut(
  client: Client,
  changes: readonly Change[],
  source: string,
  output: Output,
): Promise<void> {
  const failures = await mapAtMost(AT_ONCE, changes, async ({ name, job, applied }) => {
    try {
      if (job === undefined) await removeJob(client, name);
      else await putJob(client, job, source, applied);
      return false;
    } catch (error) {
      const why = reasonOf(error);
      output.result({ job: name, state: 'failed', why }, [printable(`not applied: ${name}: ${why}`)]);
      return true;
    }
  });
  const failed = failures.filter(Boolean).length;
  output.say(`${changes.length - failed} applied${failed === 0 ? '' : `, ${failed} not`}`);
  if (failed > 0) process.exitCode = failed < changes.length ? EXIT.partial : EXIT.failed;
}

/** The server's own words, as of a cron line that it does not understand. */
function reasonOf(error: unknown): string {
  const { cause } = error instanceof Error ? error : {};
  const told = cause instanceof Error && 'details' in cause ? cause.details : undefined;
  return typeof told === 'string' && told !== '' ? told : messageOf(error);
}

function refused(why: string, hint: string): EverthawError {
  return new EverthawError({ code: 'WrongUsage', what: 'apply jobs', why, hint });
}

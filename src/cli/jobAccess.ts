import type { Client } from '@temporalio/client';
import type { Settings } from '../config/settings.js';
import { EverthawError } from '../domain/errors.js';
import { nearest } from '../domain/nearest.js';
import { appliedJob, appliedNames, type AppliedJob } from '../temporal/jobSchedules.js';
import { accessTemporal } from './temporalAccess.js';

/** Does something with a job that was applied. @throws EverthawError JobNotFound */
export async function withJob<T>(
  settings: Settings,
  name: string,
  use: (client: Client, applied: AppliedJob) => Promise<T>,
): Promise<T> {
  const { client } = await accessTemporal(settings);
  try {
    const applied = await appliedJob(client, name);
    if (applied === undefined) throw await notFound(client, settings, name);
    return await use(client, applied);
  } finally {
    await client.connection.close();
  }
}

async function notFound(client: Client, settings: Settings, name: string): Promise<EverthawError> {
  const isWritten = settings.jobs.some((job) => job.name === name);
  const near = nearest(name, await appliedNames(client));
  return new EverthawError({
    code: 'JobNotFound',
    what: `find job "${name}"`,
    why: isWritten ? 'it is in everthaw.yaml, and was not applied' : 'there is none of that name',
    hint: isWritten
      ? 'apply it: everthaw jobs apply'
      : near === undefined
        ? 'see which there are with everthaw jobs list'
        : `did you mean ${near}?`,
  });
}

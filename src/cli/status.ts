import type { Client } from '@temporalio/client';
import { stateDirectories } from '../config/directories.js';
import type { Settings } from '../config/settings.js';
import { formatAgo, formatBytes } from '../domain/format.js';
import { byVm, type VmHistory } from '../domain/pastRuns.js';
import { printable } from '../domain/printable.js';
import { findDaemon } from '../temporal/daemon.js';
import { appliedJob } from '../temporal/jobSchedules.js';
import { lastSweeps } from '../temporal/lastSweeps.js';
import { livingRuns, runsSince } from '../temporal/pastRuns.js';
import { EXIT, Output } from './output.js';
import { formatTable } from './table.js';
import { accessTemporal } from './temporalAccess.js';

/** As far back as the server remembers runs. */
const SINCE_MS = 35 * 86_400_000;

/** `everthaw status`: what is up, what is living, how each VM is off, and what is left over. */
export async function showStatus(settings: Settings, json: boolean): Promise<void> {
  const output = new Output(json);
  const daemon = await findDaemon(stateDirectories(settings).daemon);
  if (daemon === undefined && settings.temporal.address === undefined) {
    output.result({ server: 'down' }, ['server and worker are down']);
    process.exitCode = EXIT.failed;
    return;
  }
  const { client, uiUrl } = await accessTemporal(settings);
  try {
    output.result({ server: 'up', uiUrl }, [
      `server and worker are up${uiUrl === undefined ? '' : `; the Temporal UI is at ${uiUrl}`}`,
    ]);
    for await (const { type, workflowId, startTime } of livingRuns(client)) {
      const since = startTime.toISOString();
      output.result({ run: type, workflowId, since }, [`  ${type}  ${workflowId}  since ${since}`]);
    }
    await showVms(client, output);
    await showLeftovers(client, output);
  } finally {
    await client.connection.close();
  }
}

async function showVms(client: Client, output: Output): Promise<void> {
  const histories = byVm(await runsSince(client, new Date(Date.now() - SINCE_MS)));
  if (histories.length === 0) {
    output.say('no VM was backed up yet, or long ago');
    return;
  }
  const next = await nextStarts(client, histories);
  if (output.json) {
    for (const { vm, last, lastSuccess } of histories) {
      const of = next.get(last.job ?? '');
      output.result({ vm, last, lastSuccess, next: of?.toISOString() }, []);
    }
    return;
  }
  const rows = histories.map(({ vm, last, lastSuccess }) => [
    vm,
    lastSuccess === undefined ? 'never' : formatAgo(lastSuccess.endedAt ?? lastSuccess.startedAt),
    lastSuccess?.bytes === undefined ? '-' : formatBytes(lastSuccess.bytes),
    `${last.state}, ${formatAgo(last.startedAt)}`,
    next.get(last.job ?? '')?.toISOString() ?? '-',
    last.job ?? '-',
  ]);
  const headings = ['VM', 'last good backup', 'size', 'last run', 'next start', 'job'];
  for (const line of formatTable(
    headings,
    rows.map((cells) => cells.map(printable)),
  ))
    output.say(line);
}

/** When the jobs start next by which VMs were last backed up. */
async function nextStarts(
  client: Client,
  histories: readonly VmHistory[],
): Promise<ReadonlyMap<string, Date>> {
  const starts = new Map<string, Date>();
  for (const job of new Set(histories.flatMap(({ last }) => last.job ?? []))) {
    const applied = await appliedJob(client, job);
    const [next] = applied?.isPaused === false ? applied.next : [];
    if (next !== undefined) starts.set(job, next);
  }
  return starts;
}

/** What the last sweep of each proxy could not let go. */
async function showLeftovers(client: Client, output: Output): Promise<void> {
  for (const { proxy, endedAt, result } of await lastSweeps(client)) {
    const { failed, unseen } = result.counts;
    const told =
      failed + unseen === 0
        ? 'nothing is left over'
        : `${failed} things could not be let go, ${unseen} could not be looked at: everthaw cleanup tells more`;
    output.result({ proxy, sweptAt: endedAt.toISOString(), leftOver: result.counts }, [
      printable(`proxy ${proxy}, swept ${formatAgo(endedAt)}: ${told}`),
    ]);
  }
}

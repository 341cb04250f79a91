import { formatDuration } from './format.js';
import { formatCounts, type JobCounts, type JobState, type VmOutcome } from './jobs.js';

/**
 * When somebody is told how a job ended (F8). `failure`: not all of its VMs have a good backup, or it did not begin; `change`: that, and the
 * first time that all is well again; `always`.
 */
export const NOTIFY_ON = ['failure', 'change', 'always'] as const;
export type NotifyOn = (typeof NOTIFY_ON)[number];

/** Who is told of a job's ends: a channel by its name in the proxy's everthaw.yaml, for an address may be a secret. */
export interface JobNotice {
  readonly to: string;
  readonly on: NotifyOn;
}

/** What is told. */
export interface Notification {
  readonly job: string;
  readonly proxy: string;
  readonly state: JobState;
  /** How its last run before this one ended, where that is known. */
  readonly before?: string;
  /** Why, where one reason is the whole job's. */
  readonly reason?: string;
  readonly counts: JobCounts;
  /** The first of those that did not plainly succeed. */
  readonly notable: readonly VmOutcome[];
  /** ISO 8601. */
  readonly startedAt: string;
  readonly durationMs: number;
  /** Of the job's run: who is told twice knows it by these. */
  readonly workflowId: string;
  readonly runId: string;
}

/** As many VMs as are told with their reasons. */
export const MOST_TOLD = 50;

export function isWanted(on: NotifyOn, { state, before }: Pick<Notification, 'state' | 'before'>): boolean {
  if (on === 'always' || state !== 'succeeded') return true;
  return on === 'change' && before !== undefined && before !== 'succeeded';
}

/** `Everthaw: job "nightly" partial: 11 succeeded, 1 failed` */
export function titleOf({ job, state, counts, reason }: Notification): string {
  return `Everthaw: job "${job}" ${state}: ${reason ?? formatCounts(counts)}`;
}

export function textOf(notification: Notification): string {
  const { counts, notable, startedAt, durationMs, proxy, workflowId, before } = notification;
  const { warned, failed, skipped, cancelled } = counts;
  const more = warned + failed + skipped + cancelled - notable.length;
  return [
    titleOf(notification),
    ...(before === undefined ? [] : [`its run before: ${before}`]),
    '',
    ...notable.map(({ vm, state, reason = '' }) => `${vm.name} ${state}: ${reason}`),
    ...(more > 0 ? [`and ${more} more`] : []),
    ...(notable.length > 0 ? [''] : []),
    `begun ${startedAt} by proxy ${proxy}, done in ${formatDuration(durationMs)} (${workflowId})`,
    `everthaw jobs show ${JSON.stringify(notification.job)} tells more`,
  ].join('\n');
}

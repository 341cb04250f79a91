import type { KeepRules } from './retention.js';
import type { FileKind } from './fileManifest.js';
import type { ModuleChoice } from './moduleChoice.js';
import type { JobNotice } from './notification.js';
import type { BackupRequest, FileBackupRequest, RetrySettings } from './runs.js';

/** When a job begins (F8). */
export interface JobSchedule {
  /** Lines of five fields, as cron has them: minute, hour, day of month, month, day of week. */
  readonly cron: readonly string[];
  /** By whose clocks. */
  readonly timeZone: string;
  /** Each start waits a random time up to this. */
  readonly jitterMs: number;
  /** A start that the server could not make, because it was down, is made up for within this time. */
  readonly catchUpMs: number;
}

/** What of files a job backs up, where it does not back up images (F6). */
export interface JobFiles {
  readonly kind: FileKind;
  readonly module: ModuleChoice['name'];
  /** The program of module `command`. */
  readonly words: readonly string[];
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** A job as it was applied (F8). Plain data without a secret: it stands in the history of each of its runs. */
export interface JobDefinition {
  readonly name: string;
  /** Whose worker finds its VMs and runs its backups. */
  readonly proxy: string;
  /** {@link parseVmChoice}; looked up anew by each run. */
  readonly vms: readonly string[];
  readonly exclude: readonly string[];
  /** Settings that it says itself, by their names; all others are the proxy's own when it runs. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly files?: JobFiles;
  /** So many VMs at once. */
  readonly parallel: number;
  /** What of the backups of its VMs is kept after each run; without it all. */
  readonly keep?: KeepRules;
  /** Without one it runs when it is told to. */
  readonly schedule?: JobSchedule;
  /** Who is told how its runs end. */
  readonly notify?: readonly JobNotice[];
}

/** A VM of a job. */
export interface JobVm {
  readonly instanceUuid: string;
  readonly name: string;
}

/** What `startJob` and `runJob` are told. */
export interface JobRequest {
  readonly job: JobDefinition;
  /** Instance uuids of the only VMs that are meant: those that failed. */
  readonly only?: readonly string[];
  /** Where a run of many VMs goes on. */
  readonly going?: JobProgress;
}

/** What is the same for each of a job's VMs; `root` is the directory that their backups go below. */
export type JobTemplate =
  | {
      readonly via: 'image';
      readonly root: string;
      readonly request: Omit<BackupRequest, 'vm' | 'loan' | 'directory' | 'handover'>;
    }
  | {
      readonly via: 'files';
      readonly root: string;
      readonly request: Omit<FileBackupRequest, 'vm' | 'loan' | 'points'>;
    };

/** What a run of a job found out before its first VM. */
export interface FoundVms {
  readonly hostUuid: string;
  readonly template: JobTemplate;
  readonly vms: readonly JobVm[];
  /** VMs that are chosen and cannot be backed up. */
  readonly leftOut: readonly VmOutcome[];
}

/** As far as a run of a job is. */
export interface JobProgress extends FoundVms {
  /** When it began, ms since 1970. */
  readonly startedAt: number;
  /** Index of the VM whose turn is next. */
  readonly next: number;
  readonly counts: JobCounts;
  readonly notable: readonly VmOutcome[];
}

export const VM_STATES = ['succeeded', 'warned', 'failed', 'skipped', 'cancelled'] as const;
export type VmState = (typeof VM_STATES)[number];

export type JobCounts = Readonly<Record<VmState, number>>;

/** What became of one VM in a run of a job. */
export interface VmOutcome {
  readonly vm: JobVm;
  readonly state: VmState;
  /** Why, where it is no plain success. */
  readonly reason?: string;
}

/** How a run of a job ended. A job that did not begin, because its last run is living, is `skipped`. */
export const JOB_STATES = ['succeeded', 'partial', 'failed', 'cancelled', 'skipped'] as const;
export type JobState = (typeof JOB_STATES)[number];

export interface JobResult {
  readonly state: JobState;
  /** Why, where one reason is the whole job's. */
  readonly reason?: string;
  readonly counts: JobCounts;
  /** All that did not plainly succeed, up to {@link MOST_NOTABLE}. */
  readonly notable: readonly VmOutcome[];
  /** What was forgotten, and what could not be, as lines. */
  readonly forgotten: readonly string[];
  /** Who could not be told of it, and why, as lines. */
  readonly untold: readonly string[];
  readonly durationMs: number;
}

/** A history holds no more of them: each run of a VM says its own. */
export const MOST_NOTABLE = 2000;

export const NO_COUNTS: JobCounts = { succeeded: 0, warned: 0, failed: 0, skipped: 0, cancelled: 0 };

/** Retrying of a job's own steps: whatever they fail by, a person or the next run has to mend it. */
export const JOB_RETRIES: RetrySettings = { maximumRetries: 2, backoffMs: 5000 };

/** Retrying to tell somebody: a mail server that is busy is asked again for a while. */
export const NOTIFY_RETRIES: RetrySettings = { maximumRetries: 5, backoffMs: 10_000 };

/** What VMs' outcomes make of their job. A VM whose own run was cancelled is one that has no backup; the job is `cancelled` where it was itself. */
export function jobStateOf(counts: JobCounts, isCancelled: boolean): Exclude<JobState, 'skipped'> {
  const good = counts.succeeded + counts.warned;
  const bad = counts.failed + counts.skipped + counts.cancelled;
  if (isCancelled && counts.cancelled > 0) return 'cancelled';
  if (bad === 0) return 'succeeded';
  return good > 0 ? 'partial' : 'failed';
}

/** `12 succeeded, 1 failed`: only what there is of. */
export function formatCounts(counts: JobCounts): string {
  const said = VM_STATES.filter((state) => counts[state] > 0).map((state) => `${counts[state]} ${state}`);
  return said.length === 0 ? 'no VM' : said.join(', ');
}

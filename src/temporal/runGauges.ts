import type { Client } from '@temporalio/client';
import { Runtime } from '@temporalio/worker';
import type { PastRun } from '../domain/pastRuns.js';
import { byVm } from '../domain/pastRuns.js';
import type { BackupResult, FileBackupResult } from '../domain/runs.js';
import { runsOf } from './pastRuns.js';

/** As far back as the server remembers runs. */
const FIRST_LOOK_MS = 35 * 86_400_000;
/** The server's list of runs lags behind them. */
const LAG_MS = 120_000;

/** What of this proxy's backups is told to Prometheus (docs/metrics.md). Looked up anew now and then: a worker that starts tells all of it. */
export class RunGauges {
  readonly #proxy: string;
  readonly #gauges: ReturnType<typeof gaugesOf>;
  /** By VM, what was last told of it. */
  readonly #told = new Map<string, string>();
  #lookedAt = Date.now() - FIRST_LOOK_MS;

  constructor(proxy: string) {
    this.#proxy = proxy;
    this.#gauges = gaugesOf(proxy);
  }

  async look(client: Client): Promise<void> {
    const now = Date.now();
    const runs = await runsOf(client, this.#proxy, new Date(this.#lookedAt));
    const living = runs.filter(({ endedAt }) => endedAt === undefined);
    const ages = living.map(({ startedAt }) => now - startedAt.getTime());
    this.#gauges.oldestRunning.set(Math.max(0, ...ages) / 1000);
    for (const { last, lastSuccess } of byVm(runs.filter(({ endedAt }) => endedAt !== undefined))) {
      if (this.#told.get(last.workflowId) === last.runId) continue;
      this.#tellLast(last);
      if (lastSuccess !== undefined) await this.#tellSuccess(client, lastSuccess);
      this.#told.set(last.workflowId, last.runId);
    }
    this.#lookedAt = now - LAG_MS;
  }

  #tellLast(run: PastRun): void {
    this.#gauges.lastSucceeded.set(run.state === 'succeeded' ? 1 : 0, labelsOf(run));
  }

  async #tellSuccess(client: Client, run: PastRun): Promise<void> {
    const { workflowId, runId, endedAt, bytes = 0 } = run;
    const handle = client.workflow.getHandle<() => Promise<BackupResult | FileBackupResult>>(
      workflowId,
      runId,
    );
    const result = await handle.result();
    const labels = labelsOf(run);
    this.#gauges.successAt.set((endedAt?.getTime() ?? 0) / 1000, labels);
    this.#gauges.bytes.set(bytes, labels);
    this.#gauges.duration.set(result.durationMs / 1000, labels);
    this.#gauges.inSnapshot.set(result.inSnapshotMs / 1000, labels);
    if ('frozenAtMostMs' in result) this.#gauges.frozen.set(result.frozenAtMostMs / 1000, labels);
  }
}

function labelsOf({ vm, job = '' }: PastRun) {
  return { vm, job };
}

function gaugesOf(proxy: string) {
  const meter = Runtime.instance().metricMeter.withTags({ proxy });
  const seconds = (name: string, what: string) => meter.createGauge(name, 'float', 's', what);
  return {
    successAt: seconds(
      'everthaw_last_success_timestamp_seconds',
      'When a VM’s last good backup ended, in seconds since 1970',
    ),
    lastSucceeded: meter.createGauge(
      'everthaw_last_run_succeeded',
      'int',
      '',
      'Whether a VM’s last run succeeded: 1, else 0',
    ),
    bytes: meter.createGauge(
      'everthaw_last_success_bytes',
      'int',
      'By',
      'What a VM’s last good backup holds',
    ),
    duration: seconds('everthaw_last_success_duration_seconds', 'How long a VM’s last good backup took'),
    inSnapshot: seconds('everthaw_last_success_in_snapshot_seconds', 'How long its snapshot was open'),
    frozen: seconds('everthaw_last_success_frozen_seconds', 'How long its guest was frozen at most'),
    oldestRunning: seconds(
      'everthaw_oldest_running_seconds',
      'Age of this proxy’s oldest backup that runs; 0: none does',
    ),
  };
}

import {
  CancellationScope,
  condition,
  defineSignal,
  getExternalWorkflowHandle,
  setHandler,
} from '@temporalio/workflow';
import type { RunRef } from '../domain/holding.js';
import { PERMIT_GRANTED_SIGNAL, PERMIT_RETURNED_SIGNAL, PERMITS_WORKFLOW_ID } from '../domain/names.js';
import type { PermitNeed } from '../domain/permits.js';
import { takesSnapshot, type PointInTimeRequest, type PreflightResult } from '../domain/runs.js';
import type { RunReport } from './runReport.js';
import { onProxy } from './steps.js';

const grantedSignal = defineSignal<[string]>(PERMIT_GRANTED_SIGNAL);

/** A run that waits asks again after so long, and then at growing intervals: what was asked may have been terminated. */
const FIRST_PATIENCE_MS = 5000;
const MOST_PATIENCE_MS = 600_000;

/** A run's permit to have a snapshot open. It has to be set up before anything else may signal the run. */
export class Permit {
  readonly #run: RunRef;
  #isGranted = false;
  #isAsked = false;

  constructor(run: RunRef) {
    this.#run = run;
    setHandler(grantedSignal, (runId) => {
      // The grant may have been meant for an earlier run on the same VM.
      if (runId === run.runId) this.#isGranted = true;
    });
  }

  /** Waits for its turn. @returns whether that took so long that the VM has to be looked at again */
  async take(
    { vm, proxy, retries }: PointInTimeRequest,
    needs: readonly PermitNeed[],
    report: RunReport,
  ): Promise<boolean> {
    const wish = { run: this.#run, vmName: vm.name, proxy, needs };
    this.#isAsked = true;
    for (let patienceMs = FIRST_PATIENCE_MS; ; patienceMs = Math.min(patienceMs * 2, MOST_PATIENCE_MS)) {
      await onProxy(proxy, 'a permit').askPermit({ wish, retries });
      if (await condition(() => this.#isGranted, patienceMs)) return patienceMs > FIRST_PATIENCE_MS;
      report.enter(`waiting for its turn: as many snapshots are open as may be (${limitsOf(needs)})`);
    }
  }

  /** As soon as the snapshot is gone, or will not be taken. */
  async giveBack(): Promise<void> {
    if (!this.#isAsked) return;
    this.#isAsked = this.#isGranted = false;
    await CancellationScope.nonCancellable(() =>
      getExternalWorkflowHandle(PERMITS_WORKFLOW_ID)
        .signal(PERMIT_RETURNED_SIGNAL, this.#run.runId)
        // Somebody terminated what it was asked of: there is nothing to give back.
        .catch(() => undefined),
    );
  }
}

/** Preflight, and the permit for what it found; where that took a while, it is looked again. */
export async function preflightInTurn<T extends PreflightResult>(
  request: PointInTimeRequest,
  { permit, report }: { readonly permit: Permit; readonly report: RunReport },
  preflight: () => Promise<T>,
): Promise<T> {
  report.enter('preflight');
  const seen = await preflight();
  if (!takesSnapshot(request)) return seen;
  if (!(await permit.take(request, needsOf(request, seen), report))) return seen;
  report.enter('preflight');
  return preflight();
}

function needsOf(
  { vm: { hostUuid }, proxy, limits }: PointInTimeRequest,
  { datastores }: PreflightResult,
): readonly PermitNeed[] {
  return [
    ...datastores.map(({ label, url }) => ({
      ...{ key: `datastore/${hostUuid}/${url}`, of: `datastore ${label}`, most: limits.perDatastore },
    })),
    { key: `host/${hostUuid}`, of: 'its host', most: limits.perHost },
    { key: `proxy/${proxy}`, of: `proxy ${proxy}`, most: limits.perProxy },
  ];
}

function limitsOf(needs: readonly PermitNeed[]): string {
  return needs.map(({ of, most }) => `${most} of ${of}`).join(', ');
}

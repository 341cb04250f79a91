import { CancellationScope, CancelledFailure, workflowInfo } from '@temporalio/workflow';
import type { RunRef } from '../domain/holding.js';
import type { BackupRequest } from '../domain/runs.js';
import { proxyQueue } from '../domain/names.js';
import { Debts } from './debts.js';
import { Operator } from './operator.js';
import { Permit } from './permit.js';
import { RunReport } from './runReport.js';
import { cleaningOn } from './steps.js';

/** What a run's own part works with. */
export interface HeldRun {
  readonly run: RunRef;
  readonly debts: Debts;
  readonly report: RunReport;
  readonly operator: Operator;
  readonly permit: Permit;
}

/** Thrown by a run's own part where it stops because an operator asked for it. Not a cancellation, which a scope would take for its own. */
export class StoppedByOperator extends Error {}

type RunRequest = Pick<BackupRequest, 'vm' | 'proxy' | 'loan'>;

/**
 * The frame of every run: whatever its own part took hold of is let go, however that part ended, before the run ends; and
 * only then may its proxy forget the host's secret.
 */
export async function heldRun<T>(
  title: string,
  request: RunRequest,
  part: (held: HeldRun) => Promise<T>,
): Promise<T> {
  const { workflowId, firstExecutionRunId } = workflowInfo();
  const report = new RunReport(title);
  const debts = new Debts(request.proxy);
  const operator = new Operator();
  const run = { workflowId, runId: firstExecutionRunId };
  const permit = new Permit(run);
  try {
    const result = await part({ run, debts, report, operator, permit });
    await end(debts, permit, request);
    report.end('succeeded');
    return result;
  } catch (error) {
    report.enter('letting go');
    await end(debts, permit, request);
    // A step whose worker was dead when the user cancelled ends by its time-out: the run was cancelled all the same.
    if (CancellationScope.current().consideredCancelled || error instanceof StoppedByOperator) {
      report.end('cancelled');
      throw new CancelledFailure(`${title} was cancelled, and everything that it held is let go`);
    }
    report.end('failed');
    throw error;
  }
}

async function end(debts: Debts, permit: Permit, { vm, proxy, loan }: RunRequest): Promise<void> {
  await debts.settle();
  await permit.giveBack();
  await CancellationScope.nonCancellable(() =>
    cleaningOn(proxyQueue(proxy), 'debts are zero').settle({
      hostUuid: vm.hostUuid,
      loan,
      proxy,
      retries: 'until gone',
    }),
  );
}

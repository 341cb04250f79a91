import { CancellationScope, CancelledFailure, workflowInfo } from '@temporalio/workflow';
import type { RunRef, VmRef } from '../domain/holding.js';
import { proxyQueue } from '../domain/names.js';
import { Debts } from './debts.js';
import { RunReport } from './runReport.js';
import { cleaningOn } from './steps.js';

/** What a run's own part works with. */
export interface HeldRun {
  readonly run: RunRef;
  readonly debts: Debts;
  readonly report: RunReport;
}

/**
 * The frame of every run: whatever its own part took hold of is let go, however that part ended, before the run ends; and
 * only then may its proxy forget the host's secret.
 */
export async function heldRun<T>(
  title: string,
  { vm, proxy }: { vm: VmRef; proxy: string },
  part: (held: HeldRun) => Promise<T>,
): Promise<T> {
  const { workflowId, firstExecutionRunId } = workflowInfo();
  const report = new RunReport(title);
  const debts = new Debts(proxy);
  try {
    const result = await part({ run: { workflowId, runId: firstExecutionRunId }, debts, report });
    await end(debts, vm, proxy);
    report.end('succeeded');
    return result;
  } catch (error) {
    report.enter('letting go');
    await end(debts, vm, proxy);
    // A step whose worker was dead when the user cancelled ends by its time-out: the run was cancelled all the same.
    if (CancellationScope.current().consideredCancelled) {
      report.end('cancelled');
      throw new CancelledFailure(`${title} was cancelled, and everything that it held is let go`);
    }
    report.end('failed');
    throw error;
  }
}

async function end(debts: Debts, vm: VmRef, proxy: string): Promise<void> {
  await debts.settle();
  await CancellationScope.nonCancellable(() =>
    cleaningOn(proxyQueue(proxy), 'debts are zero').settle({
      hostUuid: vm.hostUuid,
      vmUuid: vm.instanceUuid,
      proxy,
      retries: 'until gone',
    }),
  );
}

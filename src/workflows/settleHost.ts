import { CancellationScope } from '@temporalio/workflow';
import { proxyQueue } from '../domain/names.js';
import type { BackupRequest } from '../domain/runs.js';
import { cleaningOn } from './steps.js';

/** The run's debts are zero: its proxy may forget the host's secret. */
export async function settleHost({
  vm,
  proxy,
  loan,
}: Pick<BackupRequest, 'vm' | 'proxy' | 'loan'>): Promise<void> {
  await CancellationScope.nonCancellable(() =>
    cleaningOn(proxyQueue(proxy), 'debts are zero').settle({
      hostUuid: vm.hostUuid,
      loan,
      retries: 'until gone',
    }),
  );
}

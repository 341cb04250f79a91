import { CancellationScope } from '@temporalio/workflow';
import type { VmRef } from '../domain/holding.js';
import { proxyQueue } from '../domain/names.js';
import { cleaningOn } from './steps.js';

/** The run's debts are zero: its proxy may forget the host's secret. */
export async function settleHost(vm: VmRef, proxy: string): Promise<void> {
  await CancellationScope.nonCancellable(() =>
    cleaningOn(proxyQueue(proxy), 'debts are zero').settle({
      hostUuid: vm.hostUuid,
      vmUuid: vm.instanceUuid,
      retries: 'until gone',
    }),
  );
}

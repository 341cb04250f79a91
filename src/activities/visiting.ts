import type { RunRef, VmRef } from '../domain/holding.js';
import type { Dependencies } from './dependencies.js';

type OfRun =
  | { readonly run: RunRef; readonly vm: VmRef }
  | { readonly holding: { readonly run: RunRef; readonly vm: VmRef } };

/**
 * Steps on a host may be done by any proxy of it. One that is not the run's own ends its login session with the step: only the
 * run's own proxy is told when the run is over.
 */
export function visiting<Input extends OfRun & { readonly proxy: string }, Result>(
  dependencies: Dependencies,
  step: (input: Input) => Promise<Result>,
): (input: Input) => Promise<Result> {
  return async (input) => {
    try {
      return await step(input);
    } finally {
      if (input.proxy !== dependencies.proxy) {
        const { run, vm } = 'holding' in input ? input.holding : input;
        await dependencies.hosts.end(vm.hostUuid, run.runId);
      }
    }
  };
}

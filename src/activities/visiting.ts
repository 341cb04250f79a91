import type { RunRef, VmRef } from '../domain/holding.js';
import { ownerAt, type Dependencies } from './dependencies.js';

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
    if (input.proxy === dependencies.proxy) return step(input);
    const ofRun = runAndVm(input);
    const { run, vm } = ofRun;
    // Before it logs in: should this process die, a sweep knows whose session that was.
    const owner = ownerAt(dependencies, ofRun, new Date());
    await dependencies.records.write('loginSession', { owner, vmName: vm.name });
    try {
      return await step(input);
    } finally {
      await dependencies.hosts.end(vm.hostUuid, run.runId);
      await dependencies.records.remove('loginSession', run);
    }
  };
}

function runAndVm(input: OfRun): { readonly run: RunRef; readonly vm: VmRef } {
  return 'holding' in input ? input.holding : input;
}

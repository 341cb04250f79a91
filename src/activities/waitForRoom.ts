import { dirname } from 'node:path';
import { cancellationSignal } from '@temporalio/activity';
import { formatBytes } from '../domain/format.js';
import type { Step } from '../domain/runs.js';
import { until } from '../system/until.js';
import { hostOf, type Dependencies } from './dependencies.js';
import { keptAlive } from './keptAlive.js';
import { pulse } from './pulse.js';

/** So much more room than when it ran out is worth another try. */
const WORTH_A_TRY_BYTES = 32 * 1024 * 1024;
const WATCH_MS = 1000;
/** How seldom it is looked at whether there is room: elsewhere each look is a command over ssh. */
const LOOK_MS = 1000;

export interface WaitForRoomInput extends Step {
  readonly snapshotId: string;
  readonly directory: string;
}

/**
 * Holds a run whose destination is full, until somebody made room there. The VM is watched as in a transfer: what it writes
 * meanwhile fills its own storage.
 */
export function createWaitForRoom(dependencies: Dependencies) {
  return async function waitForRoom(input: WaitForRoomInput): Promise<void> {
    const { vm, snapshotId } = input;
    const destination = await dependencies.destinations.at(input.directory);
    const keeper = pulse();
    const freeBefore = keeper.now.held?.freeBytes ?? (await destination.freeBytes());
    keeper.hold({
      why: `held: "${dirname(input.directory)}" is full (${formatBytes(freeBefore)} left). Make room there and it goes on; try at once with everthaw resume, give up with everthaw cancel`,
      freeBytes: freeBefore,
    });
    const host = await hostOf(dependencies, input);
    await keptAlive(
      () => host.watchVm(vm.instanceUuid, snapshotId),
      (signal) =>
        until(async () => (await destination.freeBytes()) >= freeBefore + WORTH_A_TRY_BYTES, signal, LOOK_MS),
      WATCH_MS,
    );
    cancellationSignal().throwIfAborted();
  };
}

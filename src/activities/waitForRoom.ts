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
  /** Where there is room by now, it was made before it was looked, and nothing is to be waited for. */
  readonly mayGoOn: boolean;
}

/**
 * Holds a run whose destination is full, until somebody made room there. The VM is watched as in a transfer: what it writes
 * meanwhile fills its own storage.
 *
 * @returns whether it was waited for; if not, the room is none that can be seen (a quota), or was made at once
 */
export function createWaitForRoom(dependencies: Dependencies) {
  return async function waitForRoom(input: WaitForRoomInput): Promise<boolean> {
    const { vm, snapshotId, mayGoOn } = input;
    const destination = await dependencies.destinations.at(input.directory);
    const keeper = pulse();
    const heldBefore = keeper.now.held?.freeBytes;
    const freeBefore = heldBefore ?? (await destination.freeBytes());
    if (mayGoOn && heldBefore === undefined && freeBefore >= WORTH_A_TRY_BYTES) return false;
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
    return true;
  };
}

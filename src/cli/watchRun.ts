import type { WorkflowHandle } from '@temporalio/client';
import { setTimeout as sleep } from 'node:timers/promises';
import { Looker } from './progress/sight.js';
import { runError } from './runError.js';
import type { Watch } from './watch.js';

const LOOK_MS = 300;

/**
 * Follows a run to its end and returns its result. Who interrupts this ends the program (src/cli/interruption.ts).
 *
 * @throws EverthawError what the run failed with
 */
export function watchRun<T>(handle: WorkflowHandle<() => Promise<T>>, watch: Watch): Promise<T> {
  return watchRunUntil(handle, handle.result(), watch);
}

/** Follows a run until something of it is there. @throws EverthawError what the run failed with */
export async function watchRunUntil<T>(handle: WorkflowHandle, result: Promise<T>, watch: Watch): Promise<T> {
  const { view } = watch;
  const looker = new Looker(handle);
  const ended = new AbortController();
  const looking = look();
  try {
    const value = await result;
    await stopLooking();
    watch.endedWell();
    return value;
  } catch (error) {
    await stopLooking();
    const failure = runError(error);
    await watch.endedBadly(failure);
    throw failure;
  }

  async function look(): Promise<void> {
    while (!ended.signal.aborted) {
      await lookOnce();
      await sleep(LOOK_MS, undefined, { signal: ended.signal }).catch(() => undefined);
    }
  }

  async function lookOnce(): Promise<void> {
    const sight = await looker.look();
    if (sight !== undefined && !watch.isAsking) view.show(sight);
  }

  async function stopLooking(): Promise<void> {
    watch.end();
    ended.abort();
    await looking;
    await lookOnce();
    view.end();
  }
}

import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until a condition holds, looking often at first and seldom later. */
export async function until(
  condition: () => Promise<boolean> | boolean,
  signal: AbortSignal,
  mostMs = 250,
): Promise<void> {
  for (let pauseMs = 5; !(await condition()); pauseMs = Math.min(pauseMs * 1.5, mostMs)) {
    await sleep(pauseMs, undefined, { signal });
  }
}

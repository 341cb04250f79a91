import { setTimeout as sleep } from 'node:timers/promises';

/** A step that hears of its end at all has heard of it by then. */
const PATIENCE_MS = 60_000;

/** Counts the steps that run in this process: while one does, nobody may take away what it works with. */
export class RunningSteps {
  #running = 0;
  /** The attempts of each step that run, by the step. */
  readonly #attempts = new Map<string, Promise<unknown>>();

  get running(): number {
    return this.#running;
  }

  async during<T>(step: () => Promise<T>): Promise<T> {
    this.#running++;
    try {
      return await step();
    } finally {
      this.#running--;
    }
  }

  /**
   * Runs an attempt of a step once the one before it has ended: where this process stood still, that one still works, and would take
   * from the new one what it has just made, until it hears that nobody waits for it. One that never ends is not waited for for ever.
   */
  async alone<T>(step: string, attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const earlier = this.#attempts.get(step);
    const running = ended(earlier, signal).then(attempt);
    const settled = running.catch(() => undefined);
    this.#attempts.set(step, settled);
    try {
      return await running;
    } finally {
      if (this.#attempts.get(step) === settled) this.#attempts.delete(step);
    }
  }
}

async function ended(earlier: Promise<unknown> | undefined, signal: AbortSignal): Promise<void> {
  if (earlier === undefined) return;
  const over = new AbortController();
  const patience = sleep(PATIENCE_MS, undefined, { signal: AbortSignal.any([signal, over.signal]) });
  try {
    await Promise.race([earlier, patience]);
  } finally {
    over.abort();
    patience.catch(() => undefined);
  }
}

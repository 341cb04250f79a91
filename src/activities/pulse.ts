import { AsyncLocalStorage } from 'node:async_hooks';
import { activityInfo, heartbeat } from '@temporalio/activity';
import type { Checkpoint, Held, Progress, Pulse } from '../domain/runs.js';

/** An activity's heartbeat: what it tells, kept so that every beat tells all of it. */
export class PulseKeeper {
  #pulse: Pulse;

  constructor(last: Pulse | undefined) {
    this.#pulse = last ?? { operationFailures: 0 };
  }

  get now(): Pulse {
    return this.#pulse;
  }

  beat(): void {
    heartbeat(this.#pulse);
  }

  progress(progress: Progress): void {
    this.#pulse = { ...this.#pulse, progress };
  }

  checkpoint(checkpoint: Checkpoint): void {
    this.#pulse = { ...this.#pulse, checkpoint };
  }

  /** Told at once, for somebody is to read it. */
  hold(held: Held): void {
    this.#pulse = { ...this.#pulse, held };
    this.beat();
  }

  /** Counts a failure of the operation; told at once, for the next attempt reads it. */
  fail(): number {
    this.#pulse = { ...this.#pulse, operationFailures: this.#pulse.operationFailures + 1 };
    this.beat();
    return this.#pulse.operationFailures;
  }
}

const current = new AsyncLocalStorage<PulseKeeper>();

/** Runs an activity's body with a pulse that goes on from the last attempt's. */
export function withPulse<T>(run: (pulse: PulseKeeper) => Promise<T>): Promise<T> {
  const keeper = new PulseKeeper(activityInfo().heartbeatDetails as Pulse | undefined);
  return current.run(keeper, () => run(keeper));
}

/** The pulse of the activity that runs now. */
export function pulse(): PulseKeeper {
  const keeper = current.getStore();
  if (keeper === undefined) throw new Error('no activity is running here');
  return keeper;
}

import { CancellationScope, condition, defineSignal, setHandler } from '@temporalio/workflow';
import { END_SIGNAL, RESUME_SIGNAL, STOP_SIGNAL } from '../domain/names.js';
import type { StopAfter } from '../domain/runs.js';

const stopSignal = defineSignal<[StopAfter]>(STOP_SIGNAL);
const resumeSignal = defineSignal(RESUME_SIGNAL);
const endSignal = defineSignal(END_SIGNAL);

/** What an operator said to a living run. */
export class Operator {
  #stopsAfterDisk = false;
  #resumes = 0;
  #isHandedOver = false;
  #isDone = false;

  constructor() {
    setHandler(stopSignal, (after) => {
      // A run is one VM's: to stop after it is to let it be.
      if (after === 'disk') this.#stopsAfterDisk = true;
    });
    setHandler(resumeSignal, () => {
      this.#resumes++;
    });
    const run = CancellationScope.current();
    setHandler(endSignal, () => {
      if (this.#isHandedOver) this.#isDone = true;
      else run.cancel();
    });
  }

  /** No further disk is to be begun. */
  get stopsAfterDisk(): boolean {
    return this.#stopsAfterDisk;
  }

  /** From now on to be ended is to have done what was wanted. Waits for that word; `false` if it does not come in time. */
  saysDone(withinMs: number): Promise<boolean> {
    this.#isHandedOver = true;
    return condition(() => this.#isDone, withinMs);
  }

  /** Waits for the next word to go on. */
  async saysResume(): Promise<void> {
    const before = this.#resumes;
    await condition(() => this.#resumes > before);
  }
}

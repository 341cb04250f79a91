import { condition, defineSignal, setHandler } from '@temporalio/workflow';
import { RESUME_SIGNAL, STOP_SIGNAL } from '../domain/names.js';
import type { StopAfter } from '../domain/runs.js';

const stopSignal = defineSignal<[StopAfter]>(STOP_SIGNAL);
const resumeSignal = defineSignal(RESUME_SIGNAL);

/** What an operator said to a living run. */
export class Operator {
  #stopsAfterDisk = false;
  #resumes = 0;

  constructor() {
    setHandler(stopSignal, (after) => {
      // A run is one VM's: to stop after it is to let it be.
      if (after === 'disk') this.#stopsAfterDisk = true;
    });
    setHandler(resumeSignal, () => {
      this.#resumes++;
    });
  }

  /** No further disk is to be begun. */
  get stopsAfterDisk(): boolean {
    return this.#stopsAfterDisk;
  }

  /** Waits for the next word to go on. */
  async saysResume(): Promise<void> {
    const before = this.#resumes;
    await condition(() => this.#resumes > before);
  }
}

/** Counts the steps that run in this process: while one does, nobody may take away what it works with. */
export class RunningSteps {
  #running = 0;

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
}

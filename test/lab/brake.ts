import { setTimeout as sleep } from 'node:timers/promises';
import { isErrorWithNodeCode } from './errorCode.js';
import { processesOf } from './leftovers.js';

const COPIES = /copierProcess|nbdcopy|\0convert\0|\bcat\b|\bdd\b/;
const PERIOD_MS = 100;

/**
 * Makes what copies slow, where nothing on its way can be throttled: it is stopped most of the time. Whoever kills it does so all the
 * same.
 */
export class Brake {
  #isOn = true;
  readonly #done: Promise<void>;

  /** `runsMs` of every tenth of a second. */
  constructor(state: string, runsMs: number) {
    this.#done = this.#work(state, runsMs);
  }

  async #work(state: string, runsMs: number): Promise<void> {
    while (this.#isOn) {
      const copying = processesOf(state).filter(({ args }) => COPIES.test(args));
      for (const { pid } of copying) signal(pid, 'SIGSTOP');
      await sleep(PERIOD_MS - runsMs);
      for (const { pid } of copying) signal(pid, 'SIGCONT');
      await sleep(runsMs);
    }
  }

  async release(): Promise<void> {
    this.#isOn = false;
    await this.#done;
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!isErrorWithNodeCode(error, 'ESRCH')) throw error;
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import { STOP_SIGNAL } from '../../../src/domain/names.js';
import { STOPS_AFTER } from '../../../src/domain/runs.js';
import { BOTH, nothing, type Harm } from '../harm.js';

export const cancel: Harm = {
  name: 'cancel',
  hosts: BOTH,
  when: 'at a moment',
  demand: 'released',
  cancels: true,
  async strike({ run }) {
    await run.handle.cancel();
    return { told: 'cancel', mend: nothing };
  },
};

export const cancelTwice: Harm = {
  name: 'cancel twice',
  hosts: BOTH,
  when: 'at a moment',
  demand: 'released',
  cancels: true,
  async strike({ run, chance }) {
    await run.handle.cancel();
    await sleep(chance(0, 1500));
    // It may have ended by now.
    await run.handle.cancel().catch(() => undefined);
    return { told: 'cancel twice', mend: nothing };
  },
};

/** The user lets it finish what it is at; said twice, or differently the second time, it means no more. */
export const stopAfter: Harm = {
  name: 'stop after this disk or VM',
  hosts: BOTH,
  when: 'at a moment',
  demand: 'released',
  async strike({ run, chance, pick }) {
    const words = [pick(STOPS_AFTER), pick(STOPS_AFTER)].slice(0, pick([1, 2]));
    for (const word of words) {
      // It may have ended by now.
      await run.handle.signal(STOP_SIGNAL, word).catch(() => undefined);
      await sleep(chance(0, 500));
    }
    return { told: `stop after this ${words.join(', then after this ')}`, mend: nothing };
  },
};

/** Nobody of the product hears of it but by its next heartbeat. */
export const terminate: Harm = {
  name: 'terminate',
  hosts: BOTH,
  when: 'at a moment',
  demand: 'released',
  terminates: true,
  async strike({ run }) {
    await run.handle.terminate('the kill suite').catch(() => undefined);
    return { told: 'terminate', mend: nothing };
  },
};

export const terminateAndKill: Harm = {
  name: 'terminate and SIGKILL worker',
  hosts: BOTH,
  when: 'at a moment',
  demand: 'released',
  terminates: true,
  async strike({ run, scene, chance }) {
    await run.handle.terminate('the kill suite').catch(() => undefined);
    await scene.everthaw.killWorker();
    return {
      told: 'terminate, SIGKILL worker',
      mend: async () => {
        await sleep(chance(0, 1000));
        await scene.everthaw.startWorker();
      },
    };
  },
};

/** The user gives up while nobody is there to hear it. */
export const cancelAndKill: Harm = {
  name: 'cancel and SIGKILL worker',
  hosts: BOTH,
  when: 'at a moment',
  demand: 'released',
  async strike({ run, scene, chance }) {
    await run.handle.cancel().catch(() => undefined);
    await sleep(chance(0, 300));
    await scene.everthaw.killWorker();
    return {
      told: 'cancel, SIGKILL worker',
      mend: async () => {
        await sleep(chance(0, 2000));
        await scene.everthaw.startWorker();
      },
    };
  },
};

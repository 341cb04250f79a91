import { setTimeout as sleep } from 'node:timers/promises';
import type { Cut } from '../../lab/tcpProxy.js';
import { BOTH, type Harm } from '../harm.js';

export const killServer: Harm = {
  name: 'SIGKILL Temporal server',
  hosts: BOTH,
  when: 'at a moment',
  demand: 'succeeded',
  async strike({ scene, chance }) {
    await scene.temporal.kill();
    return {
      told: 'SIGKILL Temporal server',
      mend: async () => {
        await sleep(chance(0, 12_000));
        await scene.temporal.startAgain();
      },
    };
  },
};

export const cutFromServer: Harm = {
  name: 'cut worker off from Temporal',
  hosts: BOTH,
  when: 'at a moment',
  demand: 'succeeded',
  async strike({ scene, chance, pick }) {
    const { proxy } = scene.temporal;
    const how = pick<Cut>(['reset', 'silent']);
    const seconds = chance(1, 15);
    proxy.cut(how);
    await sleep(seconds * 1000);
    return {
      told: `cut worker off from Temporal (${how}) for ${seconds.toFixed(0)} s`,
      mend: () => {
        proxy.mend();
        return Promise.resolve();
      },
    };
  },
};

/** Server and worker, as when the daemon's machine loses power. */
export const killServerAndWorker: Harm = {
  name: 'SIGKILL Temporal server and worker',
  hosts: BOTH,
  when: 'at a moment',
  demand: 'succeeded',
  async strike({ scene, chance }) {
    await Promise.all([scene.temporal.kill(), scene.everthaw.killWorker()]);
    return {
      told: 'SIGKILL Temporal server and worker',
      mend: async () => {
        await sleep(chance(0, 2000));
        await scene.temporal.startAgain();
        await scene.everthaw.startWorker();
      },
    };
  },
};

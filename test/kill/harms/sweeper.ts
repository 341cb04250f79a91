import { setTimeout as sleep } from 'node:timers/promises';
import { LabEverthaw } from '../../lab/everthaw.js';
import { LabTemporalServer } from '../../lab/temporalServer.js';
import { BOTH, type Blow, type Harm, type Struck } from '../harm.js';

const PAUSE_MS = 300;

/** A proxy that shares nothing with the run's but the host, and takes the run's things for left over if it errs. */
export const foreignSweeper: Harm = {
  name: 'a second proxy with its own server sweeps',
  hosts: BOTH,
  when: 'all the while',
  demand: 'succeeded',
  async strike(blow) {
    const server = await LabTemporalServer.start();
    const struck = await sweepWith(blow, server.throughProxy);
    return {
      told: 'a second proxy with its own server sweeps all the while',
      mend: async () => {
        await struck.mend();
        await server.stop();
      },
    };
  },
};

export const secondSweeper: Harm = {
  name: 'a second proxy sweeps',
  hosts: BOTH,
  when: 'all the while',
  demand: 'succeeded',
  async strike(blow) {
    const struck = await sweepWith(blow, blow.scene.temporal.throughProxy);
    return { ...struck, told: 'a second proxy of the same server sweeps all the while' };
  },
};

async function sweepWith({ scene }: Blow, temporal: LabTemporalServer['throughProxy']): Promise<Struck> {
  const other = await LabEverthaw.create(scene.reach, temporal);
  let isOver = false;
  const sweeping = (async () => {
    while (!isOver) {
      await other.everthaw('cleanup', '-y');
      await sleep(PAUSE_MS);
    }
  })();
  return {
    told: '',
    mend: async () => {
      isOver = true;
      await sweeping;
      await other.remove();
    },
  };
}

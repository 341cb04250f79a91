import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run as runProgram } from '../../lab/run.js';
import { BOTH, type Harm } from '../harm.js';

export const fillDestination: Harm = {
  name: 'fill the destination',
  hosts: BOTH,
  when: 'at a moment',
  demand: 'released',
  runs: ['backup', 'files'],
  smallDestination: true,
  async strike({ scene, chance }) {
    const filler = join(smallDestination(scene.everthaw.directory), 'somebody-elses-file');
    await runProgram('dd', ['if=/dev/zero', `of=${filler}`, 'bs=1M'], { mayFail: true });
    return {
      told: 'fill the destination',
      mend: async () => {
        await sleep(chance(1000, 6000));
        await rm(filler);
      },
    };
  },
};

/** A small file system, where one can be mounted. */
export function smallDestination(directory: string): string {
  return join(directory, 'small');
}

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrorWithNodeCode } from '../../lab/errorCode.js';
import { CLOCK_SEEN_MS, LabClock } from '../../lab/clock.js';
import { disguise } from '../../lab/disguise.js';
import type { LabEverthaw } from '../../lab/everthaw.js';
import { BOTH, nothing, type Blow, type Harm } from '../harm.js';
import { processesOf } from '../../lab/leftovers.js';

/** Longer than a step may be without a heartbeat. */
const PAST_HEARTBEAT_MS = [10_500, 14_000] as const;

async function startAfterAWhile({ scene, chance }: Blow): Promise<void> {
  await sleep(chance(0, 3000));
  await scene.everthaw.startWorker();
}

export const killWorker: Harm = {
  name: 'SIGKILL worker',
  hosts: BOTH,
  when: 'at a moment',
  demand: 'succeeded',
  async strike(blow) {
    await blow.scene.everthaw.killWorker();
    return { told: 'SIGKILL worker', mend: () => startAfterAWhile(blow) };
  },
};

export const endWorker: Harm = {
  name: 'SIGTERM worker',
  hosts: BOTH,
  when: 'at a moment',
  demand: 'succeeded',
  async strike(blow) {
    await blow.scene.everthaw.endWorker();
    return { told: 'SIGTERM worker', mend: () => startAfterAWhile(blow) };
  },
};

export const stopWorker: Harm = {
  name: 'SIGSTOP worker',
  hosts: BOTH,
  when: 'at a moment',
  demand: 'succeeded',
  async strike({ scene, chance }) {
    const pid = scene.everthaw.workerPid;
    process.kill(pid, 'SIGSTOP');
    await sleep(chance(...PAST_HEARTBEAT_MS));
    return {
      told: 'SIGSTOP worker past its heartbeat',
      mend: () => {
        process.kill(pid, 'SIGCONT');
        return Promise.resolve();
      },
    };
  },
};

/** Two workers of one proxy: the first takes itself for the one that works when it wakes up. */
export const replaceStoppedWorker: Harm = {
  name: 'second worker while the first is stopped',
  hosts: BOTH,
  when: 'at a moment',
  demand: 'succeeded',
  async strike({ scene, chance }) {
    const stopped = scene.everthaw.workerPid;
    process.kill(stopped, 'SIGSTOP');
    await scene.everthaw.startWorker();
    await sleep(chance(...PAST_HEARTBEAT_MS));
    process.kill(stopped, 'SIGCONT');
    return {
      told: 'SIGSTOP worker, start another, wake the first',
      mend: async () => {
        await sleep(chance(1000, 4000));
        process.kill(stopped, 'SIGKILL');
      },
    };
  },
};

/** As after a loss of power: nothing of the proxy lives, and the kernel has another boot id. */
export const reboot: Harm = {
  name: 'reboot of the proxy',
  hosts: BOTH,
  when: 'at a moment',
  demand: 'succeeded',
  endsProxy: true,
  async strike(blow) {
    const { everthaw } = blow.scene;
    await killProxy(everthaw);
    return {
      told: 'SIGKILL all of the proxy, start it with another boot id',
      mend: async () => {
        await sleep(blow.chance(0, 3000));
        await everthaw.startWorker(await disguise(everthaw.directory, 'rebooted'));
      },
    };
  },
};

/** The proxy's machine burns down, and another one that sees the same directories serves under its name. */
export const replaceMachine: Harm = {
  name: 'another machine as the proxy',
  hosts: BOTH,
  when: 'at a moment',
  demand: 'succeeded',
  endsProxy: true,
  async strike(blow) {
    const { everthaw } = blow.scene;
    await killProxy(everthaw);
    return {
      told: 'SIGKILL all of the proxy, go on at another machine',
      mend: async () => {
        await sleep(blow.chance(0, 3000));
        await everthaw.startWorker(await disguise(everthaw.directory, 'another machine'));
      },
    };
  },
};

async function killProxy(everthaw: LabEverthaw): Promise<void> {
  for (const { pid } of processesOf(everthaw.state)) kill(pid, 'SIGKILL');
  await everthaw.killWorker();
}

const HOUR_S = 3600;

/** The proxy's clock is set, by somebody or by NTP, while a run is on its way. */
export const jumpClock: Harm = {
  name: 'jump of the clock',
  hosts: BOTH,
  when: 'at a moment',
  demand: 'succeeded',
  async prepare({ everthaw }) {
    const clock = await LabClock.start(clockFile(everthaw.directory));
    await everthaw.endWorker();
    await everthaw.startWorker(clock.wrapper);
    return async () => {
      await everthaw.endWorker();
      await clock.remove();
      await everthaw.startWorker();
    };
  },
  async strike({ scene, chance, pick }) {
    const hours = pick([-1, 1]) * chance(0.1, 80);
    const clock = await LabClock.start(clockFile(scene.everthaw.directory));
    await clock.jump(hours * HOUR_S);
    await sleep(CLOCK_SEEN_MS);
    return { told: `the proxy’s clock jumps by ${hours.toFixed(1)} h`, mend: nothing };
  },
};

function clockFile(directory: string): string {
  return join(directory, 'clock');
}

/** Kills one process that works for the worker: what copies, what serves, what asks. */
export const killChild: Harm = {
  name: 'SIGKILL a child',
  hosts: BOTH,
  when: 'at a moment',
  demand: 'released',
  strike({ scene, pick }) {
    const { everthaw } = scene;
    const children = processesOf(everthaw.state).filter(({ pid }) => pid !== everthaw.workerPid);
    const child = children.length === 0 ? undefined : pick(children);
    if (child === undefined)
      return { told: 'SIGKILL a child, but there is none', mend: () => Promise.resolve() };
    kill(child.pid, 'SIGKILL');
    const name = /([^/]+)\.js\0/.exec(child.args)?.[1] ?? child.program.split('/').at(-1) ?? '?';
    return { told: `SIGKILL ${name}`, mend: () => Promise.resolve() };
  },
};

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!isErrorWithNodeCode(error, 'ESRCH')) throw error;
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import { processesWith } from '../../lab/leftovers.js';
import { LibvirtScene } from '../scenes/libvirtScene.js';
import type { Harm } from '../harm.js';
import type { Scene } from '../scene.js';

const ONLY_LIBVIRT = ['libvirt'] as const;

function sceneOf(scene: Scene): LibvirtScene {
  if (!(scene instanceof LibvirtScene)) throw new Error('this harm is for libvirt only');
  return scene;
}

/** VMs run on without it. */
export const killLibvirtd: Harm = {
  name: 'SIGKILL libvirtd',
  hosts: ONLY_LIBVIRT,
  when: 'at a moment',
  demand: 'released',
  async strike({ scene, chance }) {
    const { libvirt } = sceneOf(scene);
    await libvirt.kill();
    return {
      told: 'SIGKILL libvirtd',
      mend: async () => {
        await sleep(chance(0, 6000));
        await libvirt.restart();
      },
    };
  },
};

export const killLibvirtdAndWorker: Harm = {
  name: 'SIGKILL libvirtd and worker',
  hosts: ONLY_LIBVIRT,
  when: 'at a moment',
  demand: 'released',
  async strike({ scene, chance }) {
    const { libvirt, everthaw } = sceneOf(scene);
    await Promise.all([libvirt.kill(), everthaw.killWorker()]);
    return {
      told: 'SIGKILL libvirtd and worker',
      mend: async () => {
        await sleep(chance(0, 3000));
        await libvirt.restart();
        await everthaw.startWorker();
      },
    };
  },
};

export const stopLibvirtd: Harm = {
  name: 'SIGSTOP libvirtd',
  hosts: ONLY_LIBVIRT,
  when: 'at a moment',
  demand: 'released',
  async strike({ scene, chance }) {
    const { libvirt } = sceneOf(scene);
    const seconds = chance(1, 20);
    process.kill(libvirt.pid, 'SIGSTOP');
    await sleep(seconds * 1000);
    return {
      told: `SIGSTOP libvirtd for ${seconds.toFixed(0)} s`,
      mend: () => {
        process.kill(libvirt.pid, 'SIGCONT');
        return Promise.resolve();
      },
    };
  },
};

/** What the worker asks the host with, and the script that holds the guest frozen. */
export const killVirsh: Harm = {
  name: 'SIGKILL virsh and shells',
  hosts: ONLY_LIBVIRT,
  when: 'at a moment',
  demand: 'released',
  strike({ scene }) {
    const programs = processesWith(`EVERTHAW_STATE=${scene.everthaw.state}`);
    const found = programs.filter(({ program }) => /\/(virsh|sh|bash|dash)$/.test(program));
    for (const { pid } of found) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    }
    return { told: `SIGKILL ${found.length} virsh and shells`, mend: () => Promise.resolve() };
  },
};

/** Its user turns the VM off and on again, whatever happens to it at this moment. */
export const powerCycle: Harm = {
  name: 'power the VM off and on',
  stillsVm: true,
  hosts: ONLY_LIBVIRT,
  when: 'at a moment',
  demand: 'released',
  runs: ['backup'],
  async strike({ scene, chance }) {
    const { guest } = sceneOf(scene);
    await guest.powerOff();
    await sleep(chance(0, 3000));
    return {
      told: 'power the VM off and on',
      mend: async () => {
        await guest.boot();
        await guest.startWriter(5);
      },
    };
  },
};

/** Its user pauses the VM, and lets it go on. */
export const suspend: Harm = {
  name: 'suspend the VM',
  stillsVm: true,
  hosts: ONLY_LIBVIRT,
  when: 'at a moment',
  demand: 'released',
  runs: ['backup'],
  async strike({ scene, chance }) {
    const { libvirt, guest } = sceneOf(scene);
    await libvirt.tryVirsh('suspend', guest.name);
    const seconds = chance(1, 12);
    await sleep(seconds * 1000);
    return {
      told: `suspend the VM for ${seconds.toFixed(0)} s`,
      mend: async () => {
        await libvirt.tryVirsh('resume', guest.name);
      },
    };
  },
};

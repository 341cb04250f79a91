import { setTimeout as sleep } from 'node:timers/promises';
import type { Harm } from '../harm.js';
import type { Scene } from '../scene.js';
import { LibvirtScene } from '../scenes/libvirtScene.js';

const OVER_SSH = { hosts: ['libvirt'], over: 'ssh', when: 'at a moment', demand: 'released' } as const;

function sshdOf(scene: Scene) {
  if (!(scene instanceof LibvirtScene)) throw new Error('this harm is for libvirt only');
  return scene.sshd;
}

/** Every connection ends at once; what ran at its far end does not hear of it. */
export const cutSsh: Harm = {
  ...OVER_SSH,
  name: 'cut ssh',
  async strike({ scene }) {
    const cut = await sshdOf(scene).cut();
    return { told: `cut ${cut} processes of ssh connections`, mend: () => Promise.resolve() };
  },
};

/** Nothing comes through any more, and nobody is told. */
export const stallSsh: Harm = {
  ...OVER_SSH,
  name: 'stall ssh',
  async strike({ scene, chance, pick }) {
    const sshd = sshdOf(scene);
    const seconds = chance(1, 25);
    await sshd.stall();
    await sleep(seconds * 1000);
    const isCut = pick([true, false]);
    return {
      told: `ssh stands still for ${seconds.toFixed(0)} s, and ${isCut ? 'is cut' : 'goes on'}`,
      mend: async () => {
        await (isCut ? sshd.cut() : sshd.resume());
      },
    };
  },
};

/** The host's sshd is gone with all its connections, for a while. */
export const killSshd: Harm = {
  ...OVER_SSH,
  name: 'SIGKILL sshd',
  async strike({ scene, chance }) {
    const sshd = sshdOf(scene);
    await sshd.kill();
    await sshd.cut();
    const seconds = chance(0, 15);
    await sleep(seconds * 1000);
    return { told: `no sshd for ${seconds.toFixed(0)} s`, mend: () => sshd.startDaemon() };
  },
};

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchLab } from './benchLab.js';
import { atMostTimes, type Figure, type Row } from './figure.js';
import { withGuest, type GuestBench } from './guestBench.js';
import { inPairs, seconds } from './pairs.js';

/** How long a guest is frozen for its point in time, against the three commands of virsh by hand. */
export const guestFreeze: Figure = {
  name: 'guest-freeze',
  title: 'frozen time of a guest, against domfsfreeze, backup-begin and domfsthaw by hand',
  measure(_lab: BenchLab, runs: number): Promise<readonly Row[]> {
    return withGuest(async (bench) => {
      const pairs = await inPairs(
        runs,
        () => frozenByUs(bench),
        () => frozenByHand(bench),
      );
      return [{ what: 'frozen time', ...pairs, unit: 's', wanted: atMostTimes(1.3, pairs.ratio) }];
    });
  },
};

async function frozenByUs({ host, guest }: GuestBench): Promise<number> {
  const request = { name: 'bench', description: 'of npm run bench', runId: 'bench', quiesce: true };
  const { snapshot, frozenAtMostMs } = await host.takeSnapshot(
    guest.uuid,
    request,
    AbortSignal.timeout(60_000),
  );
  await host.commitSnapshot(guest.uuid, snapshot.id);
  return frozenAtMostMs / 1000;
}

async function frozenByHand({ libvirt, guest, directory }: GuestBench): Promise<number> {
  const scratch = join(directory, 'scratch');
  await mkdir(scratch);
  const disks = ['vda', 'vdb'].map(
    (target) =>
      `<disk name="${target}" backup="yes" type="file"><scratch file="${join(scratch, target)}"/></disk>`,
  );
  const xml = join(directory, 'backup.xml');
  await writeFile(
    xml,
    `<domainbackup mode="pull"><server transport="unix" socket="${join(scratch, 'nbd')}"/><disks>${disks.join('')}</disks></domainbackup>`,
  );
  const taken = await seconds(async () => {
    await libvirt.virsh('domfsfreeze', guest.name);
    await libvirt.virsh('backup-begin', guest.name, xml);
    await libvirt.virsh('domfsthaw', guest.name);
  });
  await libvirt.virsh('domjobabort', guest.name);
  await rm(scratch, { recursive: true });
  return taken;
}

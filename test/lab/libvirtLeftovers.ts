import { readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { LabGuest } from './guest.js';
import type { LabLibvirt } from './libvirt.js';

/**
 * Everything that a run may have left over on a libvirt host, seen by virsh, the superblock and the file system: jobs, overlays,
 * checkpoints, frozen or paused guests, our directories, half-made domains.
 */
export async function leftoversOnLibvirt(
  libvirt: LabLibvirt,
  guests: readonly LabGuest[],
): Promise<readonly string[]> {
  const found = [...(await halfMadeDomains(libvirt))];
  for (const guest of guests) found.push(...(await onGuest(libvirt, guest)));
  return found;
}

async function halfMadeDomains(libvirt: LabLibvirt): Promise<readonly string[]> {
  const found: string[] = [];
  for (const name of await namesOf(libvirt)) {
    const { code, stdout: xml, stderr } = await libvirt.tryVirsh('dumpxml', '--inactive', name);
    if (code !== 0) {
      // A run that is looked at may have renamed or undefined it since it was listed.
      if ((await namesOf(libvirt)).includes(name)) throw new Error(stderr);
      continue;
    }
    if (/\.(restoring|replaced)-/.test(name) || xml.includes('everthaw-owner'))
      found.push(`half-restored VM "${name}"`);
    if (xml.includes('.everthaw-')) found.push(`definition of "${name}" names an overlay`);
  }
  return found;
}

async function namesOf(libvirt: LabLibvirt): Promise<readonly string[]> {
  return (await libvirt.virsh('list', '--all', '--name')).split('\n').filter(Boolean);
}

async function onGuest(libvirt: LabLibvirt, guest: LabGuest): Promise<readonly string[]> {
  const found: string[] = [];
  const job = await libvirt.tryVirsh('domjobinfo', guest.name);
  if (job.code === 0 && !/Job type:\s+None/.test(job.stdout)) found.push(`a job of "${guest.name}"`);
  const checkpoints = (await libvirt.virsh('checkpoint-list', guest.name, '--name')).trim();
  if (checkpoints !== '') found.push(`checkpoints of "${guest.name}": ${checkpoints}`);
  if ((await guest.virshState()) === 'paused') found.push(`"${guest.name}" is paused`);
  const active = await guest.activeDisks();
  if (active.join() !== guest.diskPaths.join()) found.push(`"${guest.name}" runs on ${active.join(', ')}`);
  if ((await guest.virshState()) === 'running' && (await guest.isFrozenByAgent()))
    found.push(`"${guest.name}" is frozen`);
  for (const directory of new Set(guest.diskPaths.map((path) => dirname(path)))) {
    for (const name of await readdir(directory))
      if (name.includes('everthaw')) found.push(`${name} beside the disks of "${guest.name}"`);
  }
  return found;
}

import { readHolds } from './holdDirectory.js';
import type { Hold } from './holdRecords.js';
import { allRoots, rootsOf } from './holdRoots.js';
import type { Libvirt } from './libvirt.js';
import { lookIfThere } from './vmLook.js';

/** What any run holds of a VM. One that is not defined any more, or was moved, may have left files beside those of another. */
export async function holdsOf(libvirt: Libvirt, instanceUuid: string): Promise<readonly Hold[]> {
  const look = await lookIfThere(libvirt.virsh, instanceUuid);
  const roots = [...(look === undefined ? [] : rootsOf(look)), ...(await allRoots(libvirt))];
  const holds = await readHolds(libvirt.virsh, [...new Set(roots)]);
  return holds.filter(({ owner }) => owner?.vmUuid === instanceUuid);
}

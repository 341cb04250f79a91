import { readHolds } from './holdDirectory.js';
import type { Hold } from './holdRecords.js';
import { allRoots, rootsOf } from './holdRoots.js';
import type { Libvirt } from './libvirt.js';
import { lookIfThere } from './vmLook.js';

/** What any run holds of a VM. */
export async function holdsOf(libvirt: Libvirt, instanceUuid: string): Promise<readonly Hold[]> {
  const holds = await readHolds(libvirt.virsh, await rootsOfVm(libvirt, instanceUuid));
  return holds.filter(({ owner }) => owner?.vmUuid === instanceUuid);
}

/** A VM that is not defined any more may have left files all the same, beside those of another. */
async function rootsOfVm(libvirt: Libvirt, instanceUuid: string): Promise<readonly string[]> {
  const look = await lookIfThere(libvirt.virsh, instanceUuid);
  return look === undefined ? allRoots(libvirt) : rootsOf(libvirt, look);
}

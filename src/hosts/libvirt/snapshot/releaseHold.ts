import { EverthawError } from '../../../domain/errors.js';
import { letGoFreeze } from '../guest/freeze.js';
import { readHold, removeRecords } from './holdDirectory.js';
import { removeFiles } from './holdFiles.js';
import type { Hold, SnapshotPlan } from './holdRecords.js';
import { hostNow } from '../connection/hostClock.js';
import { endReaders } from './imageReader.js';
import type { Libvirt } from '../connection/libvirt.js';
import { commitOverlays } from './overlayRelease.js';
import { awaitPointInTime } from './pointInTime.js';
import { endBackup } from './pullBackup.js';
import { lookAt, lookIfThere, type VmLook } from './vmLook.js';

/**
 * Lets go of a point in time and of a freeze, whatever step its taking or an earlier release was cut off at: each step looks at what
 * is there, and the records are removed when all of it is gone. A paused application stays owed.
 */
export async function releaseHold(libvirt: Libvirt, vmUuid: string, path: string): Promise<void> {
  const { virsh } = libvirt;
  if ((await readHold(virsh, path)) === undefined) return;
  // Whoever takes it may have died, while the shell that it started goes on.
  await awaitPointInTime(libvirt, path);
  const hold = await readHold(virsh, path);
  if (hold === undefined) return;
  refuseForeign(hold, vmUuid);
  refuseUnreadable(hold);
  const look = await lookIfThere(virsh, vmUuid);
  const { freezing, plan } = hold;
  if (freezing !== undefined) await letGoFreeze(libvirt, { ...hold, freezing }, look, await hostNow(virsh));
  if (plan !== undefined) await releasePlan(libvirt, vmUuid, path, plan, look);
  await removeRecords(virsh, path, ['taken', 'plan']);
}

async function releasePlan(
  libvirt: Libvirt,
  vmUuid: string,
  path: string,
  plan: SnapshotPlan,
  look: VmLook | undefined,
): Promise<void> {
  await endReaders(libvirt, path, plan);
  if (plan.mode === 'overlay') await commitOverlays(libvirt, vmUuid, path, plan);
  else if (look?.domainId !== undefined) await endBackup(libvirt, path, look);
  await removeFiles(libvirt, path, plan);
  if (look !== undefined) await resumeAfterWantOfRoom(libvirt, look);
}

/** A VM that could not write stands still; what filled the room is gone now. */
async function resumeAfterWantOfRoom({ virsh }: Libvirt, { uuid, domain }: VmLook): Promise<void> {
  const { state, reason } = await lookAt(virsh, uuid);
  if (state !== 'paused' || reason !== 'I/O error') return;
  await virsh.run(`let VM "${domain.name}" go on, which stood still for want of room`, ['resume', uuid]);
}

/** A copied directory carries its record along. */
function refuseForeign({ path, owner }: Hold, vmUuid: string): void {
  if (owner?.vmUuid === vmUuid) return;
  throw new EverthawError({
    code: 'SnapshotForeign',
    what: `release ${path}`,
    why: `it is held of VM ${owner?.vmUuid ?? 'unknown'}, not of ${vmUuid}`,
    hint: 'name the VM that it belongs to',
  });
}

/** What was done to the VM is not known then: guessing could cost data. */
function refuseUnreadable({ path, unreadable }: Hold): void {
  if (unreadable.length === 0) return;
  throw new EverthawError({
    code: 'HostFault',
    what: `release ${path}`,
    why: `its record (${unreadable.join(', ')}) cannot be read: another version of Everthaw wrote it, or it is damaged`,
    hint: 'release it with the version that made it; else see what virsh domblklist and backup-dumpxml say of the VM',
    retry: 'again',
  });
}

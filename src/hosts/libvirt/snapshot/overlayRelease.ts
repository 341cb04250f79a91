import { setTimeout as sleep } from 'node:timers/promises';
import { EverthawError, messageOf } from '../../../domain/errors.js';
import type { DomainDisk } from '../xml/domain.js';
import { editDomain, setDiskImage } from '../xml/domainEdit.js';
import type { HeldDisk, SnapshotPlan } from './holdRecords.js';
import { readImages } from '../inventory/imageInfo.js';
import type { Libvirt } from '../connection/libvirt.js';
import { overlayFile } from './overlay.js';
import { lookIfThere, refuseOtherJobs, type VmLook } from './vmLook.js';

/** A large overlay takes its time; what hangs is seen by who waits for the release. */
const COMMIT_MS = 24 * 3600 * 1000;
/** How often something may fail that the VM's own starting, stopping or finishing explains. */
const TRIES = 5;

/**
 * Brings what was written to the overlays into the VM's own disks. Each round looks where the VM stands and takes the next step from
 * there, so that it does not matter at which one an earlier release, the VM or libvirt ended. When this returns, neither the
 * running VM nor its definition names an overlay of this hold, and their files may go.
 */
export async function commitOverlays(
  libvirt: Libvirt,
  vmUuid: string,
  hold: string,
  plan: SnapshotPlan,
): Promise<void> {
  for (const disk of plan.disks) {
    const overlay = overlayFile(hold, disk.target);
    let tries = 0;
    for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 2, 1000)) {
      try {
        const look = await lookIfThere(libvirt.virsh, vmUuid);
        if ((await nextStep(libvirt, look, disk, overlay)) === 'done') break;
      } catch (error) {
        if (!(error instanceof EverthawError) || error.code === 'HostUnreachable') throw error;
        if (++tries === TRIES) throw error;
      }
      await sleep(pauseMs);
    }
  }
}

async function nextStep(
  libvirt: Libvirt,
  look: VmLook | undefined,
  disk: HeldDisk,
  overlay: string,
): Promise<'done' | 'again'> {
  if (look === undefined) return commitUndefined(libvirt, disk, overlay);
  // The one who asked for the snapshot was killed, and libvirt still makes it.
  if (look.job === 'Snapshot') return 'again';
  if (look.domainId === undefined) return commitStill(libvirt, look, disk, overlay);
  const user = look.domain.disks.find((candidate) => namesOverlay(candidate, overlay));
  if (user !== undefined) return commitLive(libvirt, look, user, overlay);
  if (!look.definition.disks.some(({ path }) => path === overlay)) return 'done';
  await nameBase(libvirt, look, disk, overlay);
  return 'again';
}

/** A running VM: QEMU writes it down, and turns to the disk's own image when both are the same. */
async function commitLive(
  { virsh }: Libvirt,
  look: VmLook,
  user: DomainDisk,
  overlay: string,
): Promise<'again'> {
  const what = `commit ${overlay} of VM "${look.domain.name}"`;
  const job = look.blockJobs.find(({ target }) => target === user.target);
  if (job !== undefined && job.kind !== 'active-commit') refuseOtherJobs(what, look);
  if (job?.isReady === true) {
    await virsh.run(what, ['blockjob', look.uuid, user.target, '--pivot']);
  } else if (job === undefined && user.path === overlay) {
    await virsh.run(what, ['blockcommit', look.uuid, user.target, '--active', '--shallow']);
  } else if (job === undefined) {
    // Somebody has taken a snapshot above ours meanwhile: theirs stays.
    await virsh.run(what, ['blockcommit', look.uuid, user.target, '--top', overlay, '--shallow', '--wait'], {
      timeoutMs: COMMIT_MS,
    });
  }
  return 'again';
}

/** A VM that is off. Its owner turned it off, or never had it on: it is not ours to start. */
async function commitStill(
  libvirt: Libvirt,
  look: VmLook,
  disk: HeldDisk,
  overlay: string,
): Promise<'done' | 'again'> {
  if (!look.definition.disks.some(({ path }) => path === overlay)) {
    await refuseAbove(libvirt, look, overlay);
    return 'done';
  }
  await commitFile(libvirt, overlay);
  await nameBase(libvirt, look, disk, overlay);
  return 'again';
}

/** The VM was removed meanwhile; its disks are whole again if somebody defines it anew. */
async function commitUndefined(libvirt: Libvirt, disk: HeldDisk, overlay: string): Promise<'done'> {
  const { exit } = await libvirt.virsh.shell.run('test', ['-e', overlay, '-a', '-e', disk.path]);
  if (exit === 0) await commitFile(libvirt, overlay);
  return 'done';
}

/** QEMU's image locks keep this from a VM that runs, and a VM from starting meanwhile. */
async function commitFile({ virsh }: Libvirt, overlay: string): Promise<void> {
  const { exit, stderr } = await virsh.shell.run('qemu-img', ['commit', '-q', '-d', '-f', 'qcow2', overlay], {
    timeoutMs: COMMIT_MS,
  });
  if (exit === 0) return;
  throw new EverthawError({
    code: 'HostFault',
    what: `commit ${overlay}`,
    why: stderr.trim(),
    hint: 'see that both files are there and no other program has them open: qemu-img info --backing-chain',
    retry: 'again',
  });
}

/** Lets the definition name the disk's own image again. Where the VM was started since, that counts from its next start. */
async function nameBase(
  { virsh }: Libvirt,
  { uuid, definition }: VmLook,
  disk: HeldDisk,
  overlay: string,
): Promise<void> {
  const what = `let VM "${definition.name}" name ${disk.path} again`;
  const xml = await virsh.run(what, ['dumpxml', uuid, '--inactive', '--security-info']);
  const edited = editDomain(xml, (domain) => {
    for (const { target } of definition.disks.filter(({ path }) => path === overlay))
      setDiskImage(domain, target, disk);
  });
  // Through a pipe: what we are given as standard input may be a socket, which cannot be opened by a name.
  await virsh.script(what, 'cat | v define /dev/stdin', [], { stdin: edited });
}

/** An overlay below somebody's snapshot of a VM that is off: libvirt cannot commit that, and nobody may remove it. */
async function refuseAbove({ virsh }: Libvirt, { definition }: VmLook, overlay: string): Promise<void> {
  for (const { path, format } of definition.disks) {
    if (path === undefined || format !== 'qcow2') continue;
    const chain = await readImages(virsh.shell, path, format).catch((error: unknown) => messageOf(error));
    if (typeof chain === 'string' || !chain.some((image) => image.backing === overlay)) continue;
    throw new EverthawError({
      code: 'ResourceBusy',
      what: `commit ${overlay} of VM "${definition.name}"`,
      why: `${path}, which somebody else has made, lies above it, and the VM is off`,
      hint: 'start the VM, or commit that snapshot first',
      retry: 'again',
    });
  }
}

function namesOverlay({ path, backing }: DomainDisk, overlay: string): boolean {
  return path === overlay || backing.some((image) => image.path === overlay);
}

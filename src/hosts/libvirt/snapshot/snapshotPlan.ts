import { randomBytes } from 'node:crypto';
import { posix } from 'node:path';
import { EverthawError } from '../../../domain/errors.js';
import { isBackedUp, refusalOf } from '../inventory/diskRefusal.js';
import { isHoldPath } from './holdDirectory.js';
import type { HeldDisk, SnapshotPlan } from './holdRecords.js';
import type { Libvirt } from '../connection/libvirt.js';
import { noTls, tlsServer } from './tlsServer.js';
import type { VmLook } from './vmLook.js';

/** The longest path of a Unix socket. */
const SOCKET_PATH_BYTES = 107;
/** Of what is called in a socket directory: `nbd`, or a disk's name with `.nbd`. */
const SOCKET_NAME_BYTES = 9;

/** Everything that is fixed before a point in time is taken, so that what it leaves is found by names that are known. */
export async function planSnapshot(
  libvirt: Libvirt,
  hold: string,
  name: string,
  look: VmLook,
  now: Date,
): Promise<SnapshotPlan> {
  const mode = await modeFor(libvirt, look);
  const server = await tlsServer(libvirt);
  return {
    ...{ mode, name },
    ...(server === undefined ? {} : { server }),
    plannedAt: now.toISOString(),
    disks: await heldDisks(libvirt, look),
    socketDirectory: socketDirectory(libvirt, hold),
  };
}

/** How a VM is held. @throws EverthawError TransportRefused where TLS is wanted and no backup job serves the disks */
export async function modeFor(libvirt: Libvirt, look: VmLook): Promise<SnapshotPlan['mode']> {
  const mode = await heldBy(libvirt, look);
  if (mode === 'overlay' && libvirt.settings.nbdTransport === 'tls') throw noTls(look);
  return mode;
}

/** A VM without a process has nobody who could keep what it overwrites. */
async function heldBy({ virsh, settings }: Libvirt, look: VmLook): Promise<SnapshotPlan['mode']> {
  if (look.domainId === undefined || settings.pointInTime === 'overlay') return 'overlay';
  if (settings.pointInTime === 'pull') return 'pull';
  const capabilities = await virsh.run('ask what the hypervisor can do', ['domcapabilities']);
  return /<backup supported=.yes/.test(capabilities) ? 'pull' : 'overlay';
}

async function heldDisks({ virsh }: Libvirt, { uuid, domain }: VmLook): Promise<readonly HeldDisk[]> {
  const stats = await virsh.run(`read the sizes of the disks of VM "${domain.name}"`, [
    ...['domstats', uuid, '--block', '--raw'],
  ]);
  return domain.disks
    .filter((disk) => isBackedUp(disk) && refusalOf(disk) === undefined)
    .map(({ target, label, path = '', format, sourceType }) => {
      refuseHeldAlready(domain.name, target, path);
      return {
        ...{ label, target, path, isDevice: sourceType === 'block', format },
        sizeBytes: sizeOf(stats, target),
      };
    });
}

/** With an overlay of ours below, its file would be taken for the disk, and removed with the other hold. */
function refuseHeldAlready(name: string, target: string, path: string): void {
  if (!isHoldPath(posix.dirname(path))) return;
  throw new EverthawError({
    code: 'ResourceBusy',
    what: `take a point in time of VM "${name}"`,
    why: `disk ${target} writes to an overlay of another run (${path})`,
    hint: 'let that run end; what a dead run left, everthaw cleanup removes',
    retry: 'again',
  });
}

function sizeOf(stats: string, target: string): number {
  const index = new RegExp(`^ *block\\.(\\d+)\\.name=${target}$`, 'm').exec(stats)?.[1];
  const size = new RegExp(`^ *block\\.${index ?? ''}\\.capacity=(\\d+)$`, 'm').exec(stats)?.[1];
  if (index !== undefined && size !== undefined) return Number(size);
  throw new EverthawError({
    code: 'HostFault',
    what: `read the size of disk ${target}`,
    why: 'libvirt does not tell it',
    hint: 'see that its file is there: virsh domblkinfo',
    retry: 'again',
  });
}

/** In the hold directory where the path is short enough; else in one that is short, with a name that nobody can guess. */
function socketDirectory({ settings }: Libvirt, hold: string): string {
  const beside = `${hold}/s`;
  const isShort = Buffer.byteLength(beside) + 1 + SOCKET_NAME_BYTES <= SOCKET_PATH_BYTES;
  if (settings.socketDirectory === undefined && isShort) return beside;
  return `${settings.socketDirectory ?? '/var/tmp'}/.everthaw-${randomBytes(6).toString('hex')}`;
}

import { EverthawError } from '../../../domain/errors.js';
import type { DiskDescription } from '../../../domain/vm.js';
import type { DiskExport } from '../../exports.js';
import { readHold } from './holdDirectory.js';
import { readerSocket, startReader } from './imageReader.js';
import type { Libvirt } from '../connection/libvirt.js';
import { socketOf } from './pullBackup.js';
import type { ProxySockets } from '../../../system/proxySockets.js';
import { openTls } from './tlsExport.js';

/** Opens one disk of a point in time: what QEMU or qemu-nbd serves on the host, as a socket of this machine. */
export async function openExport(
  libvirt: Libvirt,
  snapshotId: string,
  disk: DiskDescription,
  sockets: ProxySockets,
): Promise<DiskExport & { kind: 'nbd' }> {
  const hold = await readHold(libvirt.virsh, snapshotId);
  const what = `open disk ${disk.label} of ${snapshotId}`;
  if (hold?.plan === undefined || hold.taken === undefined) {
    throw new EverthawError({
      code: 'SnapshotLost',
      what,
      why: hold === undefined ? 'it is not there any more' : 'it was not seen through',
      hint: 'start the backup again',
    });
  }
  const { plan } = hold;
  const held = plan.disks.find(({ label }) => label === disk.label);
  if (held === undefined) {
    throw new EverthawError({
      code: 'DiskNotSupported',
      what,
      why: 'the disk was not there, or was refused, when the point in time was taken',
      hint: 'start the backup again',
    });
  }
  if (plan.mode === 'overlay') await startReader(libvirt, snapshotId, plan, held);
  const { nbdCertificates = '' } = libvirt.settings;
  const forwarded =
    plan.server === undefined
      ? await libvirt.virsh.shell.forward(plan.mode === 'overlay' ? readerSocket(plan, held) : socketOf(plan))
      : await openTls(plan.server, held.target, nbdCertificates, sockets.forExport());
  return {
    kind: 'nbd',
    socket: forwarded.socket,
    exportName: held.target,
    sizeBytes: held.sizeBytes,
    close: () => forwarded.close(),
  };
}

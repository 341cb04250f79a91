import type { DomainDisk } from '../xml/domain.js';

/**
 * Whether a disk belongs into a backup. Removable media do not, and neither does a read-only disk: the VM cannot have written to
 * it, others provide it, and libvirt's backup jobs leave it out too. A restored VM refers to it where it was.
 */
export function isBackedUp(disk: DomainDisk): boolean {
  return (disk.device === 'disk' || disk.device === 'lun') && !disk.readOnly;
}

/** Why a disk cannot be backed up, as far as its definition tells. */
export function refusalOf(disk: DomainDisk): string | undefined {
  if (disk.device === 'lun')
    return 'the guest speaks SCSI to the device itself (device="lun"), past every snapshot: define it with device="disk"';
  if (disk.sourceType === 'network')
    return `its image is reached over the network (${disk.protocol ?? 'by a protocol not told'}), which is not built`;
  if (disk.sourceType === 'volume')
    return 'its source is a volume of a storage pool: name the volume’s file or device instead (virsh vol-path)';
  if (disk.sourceType !== 'file' && disk.sourceType !== 'block')
    return `its source is of type ${disk.sourceType}, which is not built`;
  if (disk.path === undefined) return 'its definition names no image';
  if (disk.transient) return 'it is transient: what the guest writes is thrown away when it stops';
  if (disk.shareable) return 'it is shared with other VMs: a point in time of this one does not hold it';
  if (disk.encrypted) return 'QEMU encrypts it: what could be read is the plain text, and that is not kept';
  return undefined;
}

import type { DiskLabel } from './vm.js';

/** The file of a disk within a backup directory: `scsi0:1` is kept as `scsi0-1.vmdk`. */
export function diskFileName(label: DiskLabel): string {
  return `${label.replace(':', '-')}.vmdk`;
}

/** The file of a disk kept as qcow2: `virtio0-0.qcow2`. */
export function qcow2FileName(label: DiskLabel): string {
  return `${label.replace(':', '-')}.qcow2`;
}

/** The extent beside a flat VMDK's descriptor, named as ESX does. */
export function flatFileName(label: DiskLabel): string {
  return `${label.replace(':', '-')}-flat.vmdk`;
}

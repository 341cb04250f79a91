import type { DiskLabel } from './vm.js';

/** The file of a disk within a backup directory: `scsi0:1` is kept as `scsi0-1.vmdk`. */
export function diskFileName(label: DiskLabel): string {
  return `${label.replace(':', '-')}.vmdk`;
}

/** Forms in which a disk can be kept that is read by a host's own export. */
export const IMAGE_FORMATS = ['qcow2', 'vmdk', 'raw'] as const;

export type ImageFormat = (typeof IMAGE_FORMATS)[number];

/** The file of a disk kept as an image: `virtio0-0.qcow2`. */
export function imageFileName(label: DiskLabel, format: ImageFormat): string {
  return `${label.replace(':', '-')}.${format}`;
}

/** The extent beside a flat VMDK's descriptor, named as ESX does. */
export function flatFileName(label: DiskLabel): string {
  return `${label.replace(':', '-')}-flat.vmdk`;
}

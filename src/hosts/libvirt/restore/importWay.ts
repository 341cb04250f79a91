import { EverthawError } from '../../../domain/errors.js';
import type { ManifestDisk } from '../../../domain/manifest.js';
import type { ImportWay } from '../../../domain/restores.js';

/** What qemu-img calls the formats in which a disk can come back. */
const QEMU_FORMATS: Readonly<Partial<Record<ManifestDisk['format'], string>>> = {
  qcow2: 'qcow2',
  'vmdk-sparse': 'vmdk',
  raw: 'raw',
};

/** A domain is always made from files that were put there. @throws EverthawError DiskNotSupported */
export function importWay(disks: readonly ManifestDisk[]): ImportWay {
  for (const disk of disks) qemuFormatOf(disk);
  return 'upload';
}

export function qemuFormatOf({ label, format }: ManifestDisk): string {
  const known = QEMU_FORMATS[format];
  if (known !== undefined) return known;
  throw new EverthawError({
    code: 'DiskNotSupported',
    what: `restore disk ${label} to a libvirt host`,
    why: `it is kept as ${format}, by another kind of host, and restoring across kinds of host is not built yet`,
    hint: 'restore it to the kind of host that it was backed up from, or convert it with qemu-img by hand',
  });
}

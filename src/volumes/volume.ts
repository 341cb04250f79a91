import type { ManifestDisk } from '../domain/manifest.js';
import type { DiskLabel } from '../domain/vm.js';

/** An image that lies here. */
interface ImageFile {
  /** Its path. */
  readonly file: string;
  readonly format: ManifestDisk['format'];
}

/** An image that is served by NBD on a socket of this machine, raw. */
interface ImageExport {
  readonly socket: string;
  readonly exportName: string;
}

/** A whole disk. */
export type ImageDisk = {
  readonly label: DiskLabel;
  readonly capacityBytes: number;
} & (ImageFile | ImageExport);

/** A partition, or a disk without any. */
export interface Volume {
  /** Where it is: `scsi0:0/2`, the second partition; `scsi0:0`, the whole disk. */
  readonly id: string;
  readonly disk: DiskLabel;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  /** As blkid calls it: `ext4`, `ntfs`; undefined where it finds none. */
  readonly fileSystem?: string;
  readonly label?: string;
  readonly uuid?: string;
  /** Of the partition, lower-case. */
  readonly partUuid?: string;
  readonly partLabel?: string;
  /** The MBR's signature or the GPT's GUID, lower-case. */
  readonly tableUuid?: string;
  /** Why its files cannot be read. */
  readonly refusal?: string;
}

/** Why a disk has no volumes. */
export interface DiskRefusal {
  readonly disk: DiskLabel;
  readonly refusal: string;
}

/** A volume with what the guest calls it. */
export interface NamedVolume extends Volume {
  /** `C:` or `/srv`; undefined where the guest has no name for it. */
  readonly name?: string;
  /** What is not kept of it. */
  readonly limits?: string;
}

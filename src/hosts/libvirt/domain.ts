import type { DiskLabel, VmSummary } from '../../domain/vm.js';

/** An image in a file or on a device. */
export interface DiskImage {
  /** Undefined where it is neither. */
  readonly path: string | undefined;
  readonly format: string;
}

/** A disk of a libvirt domain, as its XML tells. */
export interface DomainDisk {
  /** libvirt's name of it: `vda`. */
  readonly target: string;
  /** Ours, by bus and place: `virtio0:0`. */
  readonly label: DiskLabel;
  readonly device: 'disk' | 'cdrom' | 'floppy' | 'lun';
  readonly sourceType: string;
  /** File or device; undefined where the source is something else, or missing. */
  readonly path: string | undefined;
  /** Of a source over the network: `rbd`, `https`. */
  readonly protocol: string | undefined;
  readonly format: string;
  /** What lies under it, from the top down, as far as the XML tells: a running domain's tells all of it. */
  readonly backing: readonly DiskImage[];
  readonly readOnly: boolean;
  readonly shareable: boolean;
  readonly transient: boolean;
}

/** What we read of a domain's XML. */
export interface Domain {
  readonly name: string;
  readonly uuid: string;
  readonly disks: readonly DomainDisk[];
  readonly nvram: string | undefined;
  readonly hasAgentChannel: boolean;
  /** Text of the mark of a restore under way, from its metadata. */
  readonly mark: string | undefined;
  /** The stable id that a restored VM was given, from its metadata. */
  readonly restoredId: string | undefined;
}

export type DomainState = VmSummary['powerState'];

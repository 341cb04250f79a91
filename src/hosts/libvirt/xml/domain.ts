import type { DiskLabel, VmSummary } from '../../../domain/vm.js';
import type { Restored } from './metadata.js';

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
  /** Whether QEMU encrypts the image. */
  readonly encrypted: boolean;
  readonly shareable: boolean;
  readonly transient: boolean;
}

/** What we read of a domain's XML. */
export interface Domain {
  readonly name: string;
  readonly uuid: string;
  readonly disks: readonly DomainDisk[];
  readonly nvram: string | undefined;
  /** Whether it has a TPM that the host emulates: its state is kept by the host, by the domain's uuid. */
  readonly hasTpm: boolean;
  readonly hasAgentChannel: boolean;
  /** What was noted when it was restored, from its metadata. */
  readonly restored: Restored | undefined;
}

export type DomainState = VmSummary['powerState'];

/** Our own id of a domain: it stays when a restored one takes its original's uuid. */
export function morefOf(domain: Domain): string {
  return domain.restored?.id ?? domain.uuid;
}

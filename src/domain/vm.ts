/** A disk's place in the VM: `scsi0:0`, `sata1:3`, `virtio0:2`; the key of everything that is said about a disk. */
export type DiskLabel = string;

export interface VmSummary {
  readonly instanceUuid: string;
  readonly biosUuid: string;
  /** The host's own id of the object: vSphere's moref value; of a libvirt domain an id that is noted in it, else its uuid. */
  readonly moref: string;
  readonly name: string;
  readonly powerState: 'on' | 'off' | 'suspended';
  /** vSphere: it is there to make VMs from, and no snapshot of it can be taken. */
  readonly isTemplate?: true;
  /** The guest's first address, or the one that it was looked for by. */
  readonly ipAddress?: string;
  /** All that the guest tells; loopbacks are not among them. Where they were asked for. */
  readonly ipAddresses?: readonly string[];
  readonly hostName?: string;
  /** Where it lies in the host's inventory: `/DC0/vm/web servers`. Where it was asked for. */
  readonly folderPath?: string;
}

export interface DiskDescription {
  readonly label: DiskLabel;
  /** Where the host keeps it: `[datastore] dir/file.vmdk`. */
  readonly path: string;
  readonly capacityBytes: number;
  /** Reason why a snapshot cannot hold this disk, or it cannot be backed up at all (F7). */
  readonly refusal?: string;
}

/** A file of the VM that is not a disk. */
export interface VmFile {
  readonly role: 'vmx' | 'domain' | 'nvram' | 'log' | 'memory';
  readonly path: string;
}

export interface VmDescription extends VmSummary {
  readonly disks: readonly DiskDescription[];
  /** What it takes on its datastores now; 0 where the host does not say. */
  readonly usedBytes: number;
  readonly folderPath: string;
  readonly resourcePool: string;
  readonly host: string;
  readonly configPath: string;
  readonly suspendDirectory: string;
  readonly logDirectory: string;
  readonly toolsRunning: boolean;
  readonly snapshots: readonly SnapshotInfo[];
  /** Datastores that hold its disks and configuration: label, uuid path (F13), free space. */
  readonly datastores: readonly DatastoreInfo[];
  /** The VM's hardware and options as the driver needs them to make it again; opaque to everybody else. */
  readonly configuration: JsonObject;
}

export interface DatastoreInfo {
  readonly label: string;
  readonly url: string;
  readonly kind: string;
  readonly freeBytes: number;
}

export interface SnapshotInfo {
  /** The host's id of the snapshot. */
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** ISO 8601, by the host's clock. */
  readonly createdAt: string;
  /** Whether the guest's file systems were quiesced in it. */
  readonly quiesced: boolean;
  /** False while, or because, its taking was not seen through: such a one is no basis for a backup. */
  readonly complete: boolean;
}

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

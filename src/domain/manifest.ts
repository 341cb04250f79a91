import type { Transport } from './transport.js';
import type { DatastoreInfo, DiskLabel, JsonObject, VmFile } from './vm.js';

/** `application`: scripts and quiescing succeeded; `filesystem`: quiesced; `crash`: as after a power failure (F2). */
export type Consistency = 'application' | 'filesystem' | 'crash';

export interface ManifestFile {
  /** Relative to the backup directory. */
  readonly path: string;
  readonly role:
    'disk' | 'descriptor' | 'catalog' | 'archive' | 'listing' | 'frame' | 'copied' | VmFile['role'];
  readonly sizeBytes: number;
  /** Of the file as it is stored, lower-case hex. */
  readonly sha256: string;
}

export interface ManifestDisk {
  readonly label: DiskLabel;
  readonly capacityBytes: number;
  /** What to open: the file that qemu-img is given. */
  readonly file: string;
  readonly format: 'vmdk-stream-optimized' | 'vmdk-flat' | 'vmdk-sparse' | 'qcow2' | 'raw';
  /** Where the disk lay: `[datastore] dir/file.vmdk`. */
  readonly originalPath: string;
}

/** `manifest.json`, written last: its appearance makes a directory a restore point. */
export interface Manifest {
  readonly format: 'everthaw/1';
  readonly everthawVersion: string;
  readonly kind: 'image-full';
  readonly runId: string;
  readonly workflowId: string;
  readonly host: { readonly uuid: string; readonly product: string; readonly address: string };
  readonly vm: {
    readonly name: string;
    readonly instanceUuid: string;
    readonly biosUuid: string;
    readonly powerState: string;
    readonly folderPath: string;
    readonly resourcePool: string;
    readonly host: string;
    readonly configuration: JsonObject;
  };
  /** When the point in time was taken, ISO 8601, by the host's clock. */
  readonly pointInTime: string;
  readonly consistency: Consistency;
  readonly transport: Transport;
  readonly datastores: readonly DatastoreInfo[];
  readonly disks: readonly ManifestDisk[];
  readonly files: readonly ManifestFile[];
}

export const MANIFEST_FILE = 'manifest.json';
export const CATALOG_FILE = 'catalog';

import type { Absence } from '../domain/holding.js';
import type { Transport } from '../domain/transport.js';
import type { ManifestDisk } from '../domain/manifest.js';
import type { RestorePlace } from '../domain/runs.js';
import type {
  DiskDescription,
  JsonObject,
  SnapshotInfo,
  VmDescription,
  VmFile,
  VmSummary,
} from '../domain/vm.js';
import type { VmSpec } from '../domain/vmSpec.js';
import type { SourceProgram } from '../disks/sourceProgram.js';

/** Who the host is; its uuid is part of every workflow id and owner record. */
export interface HostIdentity {
  readonly uuid: string;
  readonly product: string;
  readonly address: string;
}

export interface SnapshotRequest {
  readonly name: string;
  readonly description: string;
  readonly quiesce: boolean;
}

export interface SnapshotTaken {
  readonly snapshot: SnapshotInfo;
  /** Longest that the guest can have been frozen while it was taken; 0 where it was not asked to be. */
  readonly frozenAtMostMs: number;
}

/** Tells the host that a transfer lives and how far it is, from 0 to 1. */
export type KeepAlive = (fraction: number) => Promise<void>;

/** One disk of a snapshot, open for reading. */
export type DiskExport =
  | {
      /** The whole disk once, in the form it is stored in (standard VMDK); it cannot be resumed. */
      readonly kind: 'stream';
      readonly source: SourceProgram;
      readonly keepAlive: KeepAlive;
      /** Ends the export and compares what the host says it sent. */
      finish(sizeBytes: number): Promise<void>;
    }
  | {
      /** An URL that answers ranges of the raw disk, to be served by nbdkit's curl plugin. */
      readonly kind: 'url';
      readonly url: string;
      readonly sizeBytes: number;
      readonly access: UrlAccess;
    };

/** What a native tool needs to reach an URL of the host. Secret: goes to a tool by file or standard input only. */
export interface UrlAccess {
  readonly cookie: string;
  /** PEM file of the certificate (or CA) to believe. */
  readonly caFile: string | undefined;
  /** curl's form of a pinned public key (`sha256//…`), where a thumbprint vouches for the host. */
  readonly pinnedPublicKey: string | undefined;
}

/** Notes of what a driver takes for a transfer, so that another process can release it. */
export interface LeaseNotes {
  /** Called before the host is asked for a lease. */
  intend(): Promise<void>;
  /** Called as soon as its id is known. */
  taken(leaseId: string): Promise<void>;
}

export interface ImportRequest {
  readonly name: string;
  readonly configuration: JsonObject;
  readonly disks: readonly { readonly disk: ManifestDisk; readonly sizeBytes: number }[];
  readonly place: RestorePlace;
  /** Text of the mark that says that the VM is not whole yet, and whose it is. */
  readonly mark: string;
}

/** An import under way: the VM exists, marked, and waits for its disks. */
export interface DiskImport {
  readonly moref: string;
  readonly instanceUuid: string;
  /** The program that uploads one file as that disk. */
  upload(disk: ManifestDisk, file: string): SourceProgram;
  readonly keepAlive: KeepAlive;
  /** Compares what the host says it got with what was sent, and ends the import. */
  finish(sent: readonly { readonly label: string; readonly sizeBytes: number }[]): Promise<void>;
}

export interface MarkedVm {
  readonly moref: string;
  readonly instanceUuid: string;
  readonly name: string;
  readonly powerState: VmSummary['powerState'];
  readonly mark: string;
}

/**
 * A hypervisor or the server that manages several. Every method may throw EverthawError; a driver logs in by itself, and
 * again when its session ends. Nothing above this interface knows a vendor's word.
 */
export interface Host {
  readonly identity: HostIdentity;
  /** Who runs the guest's freeze scripts (F2) while a quiesced snapshot is taken; undefined where it is our part. */
  readonly freezeScriptsRunBy: string | undefined;
  /** The host's clock: ages of snapshots are measured by it, never by the proxy's. */
  now(): Promise<Date>;
  /** Ends the login session and observes that it is gone. */
  logout(): Promise<void>;

  findVms(spec: VmSpec): Promise<readonly VmSummary[]>;
  /** @throws EverthawError VmNotFound */
  describeVm(instanceUuid: string): Promise<VmDescription>;
  /** Files beside the disks (F6: .vmx, .nvram, logs), with the program that downloads one. */
  listVmFiles(instanceUuid: string): Promise<readonly VmFile[]>;
  download(file: VmFile, instanceUuid: string): Promise<SourceProgram>;

  takeSnapshot(instanceUuid: string, request: SnapshotRequest, signal: AbortSignal): Promise<SnapshotTaken>;
  listSnapshots(instanceUuid: string): Promise<readonly SnapshotInfo[]>;
  /** Removes that snapshot alone: what was written since goes to its parent; children stay. */
  commitSnapshot(instanceUuid: string, snapshotId: string): Promise<void>;
  /** Whether no snapshot that `ours` picks is there, and none can still appear or needs consolidation. */
  snapshotAbsence(instanceUuid: string, ours: (snapshot: SnapshotInfo) => boolean): Promise<Absence>;
  /** All snapshots of all VMs with a given name. */
  listAllSnapshots(
    name: string,
  ): Promise<
    readonly { readonly vmUuid: string; readonly vmName: string; readonly snapshot: SnapshotInfo }[]
  >;

  /** Why a disk cannot be read that way, or undefined where it can. Asked before anything is touched. */
  refusalOf(via: Transport['via'], instanceUuid: string, disk: DiskDescription): Promise<string | undefined>;
  openLease(
    instanceUuid: string,
    snapshotId: string,
    disk: DiskDescription,
    notes: LeaseNotes,
  ): Promise<DiskExport>;
  openDatastore(instanceUuid: string, snapshotId: string, disk: DiskDescription): Promise<DiskExport>;
  abortLease(leaseId: string): Promise<void>;

  findPlace(wanted: {
    readonly folderPath: string;
    readonly resourcePool: string;
    readonly datastore: string;
  }): Promise<RestorePlace>;
  openImport(request: ImportRequest, notes: LeaseNotes, signal: AbortSignal): Promise<DiskImport>;
  makeDirectory(place: RestorePlace, directory: string): Promise<void>;
  uploadFile(place: RestorePlace, path: string, file: string): Promise<SourceProgram>;
  readText(place: Pick<RestorePlace, 'datacenter' | 'datastore'>, path: string): Promise<string | undefined>;
  createVm(
    request: ImportRequest,
    directory: string,
    signal: AbortSignal,
  ): Promise<{ moref: string; instanceUuid: string }>;
  deletePath(place: Pick<RestorePlace, 'datacenter' | 'datastore'>, path: string): Promise<void>;
  /** All VMs that bear a mark of a restore under way. */
  listMarkedVms(): Promise<readonly MarkedVm[]>;
  destroyVm(moref: string): Promise<void>;
  renameVm(moref: string, name: string): Promise<void>;
  /** Gives the VM its identity and takes the mark off. */
  unmarkVm(moref: string): Promise<void>;
  setIdentity(
    moref: string,
    identity: { readonly instanceUuid: string; readonly biosUuid: string },
  ): Promise<void>;
  powerOn(moref: string): Promise<void>;
}

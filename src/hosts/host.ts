import type { Finding } from '../domain/finding.js';
import type { Absence } from '../domain/holding.js';
import type { ManifestDisk } from '../domain/manifest.js';
import type { ImportWay, RestorePlace, RestoreWish } from '../domain/restores.js';
import type { Place, PlaceKind } from '../domain/place.js';
import type { Transport } from '../domain/transport.js';
import type { DiskDescription, SnapshotInfo, VmDescription, VmFile, VmSummary } from '../domain/vm.js';
import type { VmSpec } from '../domain/vmSpec.js';
import type { SourceProgram } from '../system/sourceProgram.js';
import type { DiskExport, DiskImport, ImportRequest, LeaseNotes } from './exports.js';
import type { GuestControl } from './guestControl.js';

/** Who the host is; its uuid is part of every workflow id and owner record. */
export interface HostIdentity {
  readonly uuid: string;
  readonly product: string;
  readonly address: string;
}

export interface SnapshotRequest {
  readonly name: string;
  /** Carries the owner record. */
  readonly description: string;
  /** The run that it is taken for. */
  readonly runId: string;
  readonly quiesce: boolean;
}

export interface SnapshotTaken {
  readonly snapshot: SnapshotInfo;
  /** Longest that the guest can have been frozen while it was taken; 0 where it was not asked to be. */
  readonly frozenAtMostMs: number;
  /** What is worth telling: a freeze that was let go by itself. */
  readonly warnings: readonly string[];
}

/** What a look-up tells beside what costs nothing. */
export interface VmDetail {
  /** Addresses and host names of the guests; on libvirt each running guest is asked. */
  readonly addresses?: boolean;
  readonly folders?: boolean;
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
  /** The guest's scripts and freeze where they are our part; where the host does it within a snapshot, who it is. */
  readonly guest: GuestControl | { readonly scriptsRunBy: string };
  /** The ways in which this driver reads disks, the default first. */
  readonly transports: readonly Transport[];
  /** The host's clock: ages of snapshots are measured by it, never by the proxy's. */
  now(): Promise<Date>;
  /** Ends the login session and observes that it is gone. */
  logout(): Promise<void>;

  /** The VMs that a spec names, with what is asked for beside; none is no error. */
  findVms(spec: VmSpec, detail?: VmDetail): Promise<readonly VmSummary[]>;
  /** What kinds of places there are to restore to. */
  readonly placeKinds: readonly PlaceKind[];
  /** All places of one of those kinds, in the order of their names. */
  listPlaces(kind: PlaceKind): Promise<readonly Place[]>;
  /** @throws EverthawError VmNotFound */
  describeVm(instanceUuid: string): Promise<VmDescription>;
  /** Files beside the disks (F6: configuration, NVRAM, logs), with the program that downloads one. */
  listVmFiles(instanceUuid: string): Promise<readonly VmFile[]>;
  download(file: VmFile, instanceUuid: string): Promise<SourceProgram>;

  /**
   * Takes a point in time of all disks. What is owed by an earlier attempt of the run (a freeze) is let go first.
   *
   * @throws EverthawError QuiesceFailed where the guest cannot be frozen: then nothing was taken
   */
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
  refusalOf(transport: Transport, vm: VmDescription, disk: DiskDescription): Promise<string | undefined>;
  /** What would hurt the VM if it were backed up now (room for what it writes meanwhile); warnings else. Before a snapshot. */
  checkVm(vm: VmDescription): Promise<readonly string[]>;
  /**
   * What a backup of the VM by that transport needs of this host beside: rights, and ways for its bytes; `restoring`: what a restore to
   * its place needs. Nothing is changed, and what cannot be looked at is a finding.
   */
  examine(vm: VmDescription, transport: Transport, restoring: boolean): Promise<readonly Finding[]>;
  /** @throws EverthawError where going on would hurt the VM, or already does. Asked every few seconds of a transfer. */
  watchVm(instanceUuid: string, snapshotId: string): Promise<void>;
  openDisk(
    transport: Transport,
    instanceUuid: string,
    snapshotId: string,
    disk: DiskDescription,
    notes: LeaseNotes,
  ): Promise<DiskExport>;
  abortLease(leaseId: string): Promise<void>;

  /** How disks of these formats can come back here. @throws EverthawError DiskNotSupported where they cannot */
  importWay(disks: readonly ManifestDisk[]): ImportWay;
  findPlace(wish: RestoreWish): Promise<RestorePlace>;
  /** Files that are where disks of that wish would be, had they the names of old. Nothing of ours ever writes to them. */
  existingFiles(place: RestorePlace, wish: RestoreWish): Promise<readonly string[]>;
  openImport(request: ImportRequest, notes: LeaseNotes, signal: AbortSignal): Promise<DiskImport>;
  makeDirectory(place: RestorePlace, directory: string): Promise<void>;
  uploadFile(place: RestorePlace, path: string, file: string): Promise<SourceProgram>;
  readText(place: RestorePlace, path: string): Promise<string | undefined>;
  writeText(place: RestorePlace, path: string, text: string): Promise<void>;
  /** Names of what was put into a directory, or undefined where there is none. */
  listDirectory(place: RestorePlace, directory: string): Promise<readonly string[] | undefined>;
  createVm(
    request: ImportRequest,
    directory: string,
    signal: AbortSignal,
  ): Promise<{ moref: string; instanceUuid: string }>;
  deletePath(place: RestorePlace, path: string): Promise<void>;
  /** All VMs that bear a mark of a restore under way. */
  listMarkedVms(): Promise<readonly MarkedVm[]>;
  /** Removes the VM with its disks, if it is there. What is not certain to be its own stays, and is told. */
  destroyVm(moref: string): Promise<readonly string[]>;
  /** A VM that has the name already is as wanted. */
  renameVm(moref: string, name: string): Promise<void>;
  /** Takes the mark off: it is whole. */
  unmarkVm(moref: string): Promise<void>;
  setIdentity(
    moref: string,
    identity: { readonly instanceUuid: string; readonly biosUuid: string },
  ): Promise<void>;
  powerOn(moref: string): Promise<void>;
}

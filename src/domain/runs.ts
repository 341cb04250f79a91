import type { ImageFormat } from './diskFiles.js';
import type { FileKind } from './fileManifest.js';
import type { RunRef, VmRef } from './holding.js';
import type { Consistency, ManifestDisk, ManifestFile } from './manifest.js';
import type { ModuleChoice } from './moduleChoice.js';
import type { SnapshotLimits } from './permits.js';
import type { Transport } from './transport.js';
import type { DatastoreInfo, DiskDescription, DiskLabel } from './vm.js';

/** Retrying of a failed operation (F3): `maximumRetries` times, each after `backoffMs`. A lost worker counts for nothing. */
export interface RetrySettings {
  readonly maximumRetries: number;
  readonly backoffMs: number;
}

/**
 * SNAPSHOT_POLICY (F3). `automatic`: taken and removed by the run; `manual`: the existing one is used, none is taken or removed;
 * `createonly`: it is taken, and stays; `deleteonly`: the existing one is used, and removed when the backup is whole.
 */
export const SNAPSHOT_POLICIES = ['automatic', 'manual', 'createonly', 'deleteonly'] as const;
export type SnapshotPolicy = (typeof SNAPSHOT_POLICIES)[number];

/** Whether a run takes a snapshot of its own. */
export function takesSnapshot({ snapshotPolicy }: { readonly snapshotPolicy: SnapshotPolicy }): boolean {
  return snapshotPolicy === 'automatic' || snapshotPolicy === 'createonly';
}

/** PREEXISTING_VCB_SNAPSHOT and PREEXISTING_MOUNTPOINT (F3): what is done with what an earlier backup left behind. */
export const PREEXISTING = ['fail', 'delete'] as const;
export type Preexisting = (typeof PREEXISTING)[number];

/** What every run is told that takes a point in time of a VM. */
export interface PointInTimeRequest {
  readonly vm: VmRef;
  readonly proxy: string;
  /** Name under which the proxy's register lends the host to this run; given back when its debts are zero. */
  readonly loan: string;
  readonly transport: Transport;
  /** `required`: no snapshot without quiescing; `preferred`: else crash-consistent, and the result says so; `none`. */
  readonly quiesce: 'required' | 'preferred' | 'none';
  readonly snapshotPolicy: SnapshotPolicy;
  readonly preexistingSnapshot: Preexisting;
  readonly preexistingMountPoint: Preexisting;
  /** After this the run gives up and commits its snapshot, however far it is. */
  readonly maximumSnapshotAgeMs: number;
  readonly limits: SnapshotLimits;
  readonly retries: RetrySettings;
}

export interface BackupRequest extends PointInTimeRequest {
  /** Of the restore point. Its parent must exist, it must not. */
  readonly directory: string;
  /** The form in which disks are kept, where the transport leaves a choice. */
  readonly diskFormat?: ImageFormat;
  /** The export is for other software: it is kept until that is done with it (post-command), and then removed (F11). */
  readonly handover?: true;
}

/** The VM's volumes, mounted for other software until that is done with them. */
export interface MountRequest extends PointInTimeRequest {
  /** That they are mounted below. Its parent must exist, it must not. */
  readonly directory: string;
  readonly handover: true;
  /** So many volumes may be mounted on this proxy at once (F7). */
  readonly mostVolumes: number;
}

/** The files in the VM's volumes, or some of them, in a file-level restore point (F6). */
export interface FileBackupRequest extends PointInTimeRequest {
  readonly kind: FileKind;
  readonly module: ModuleChoice;
  /** In the guest's own words; without any, all of every volume. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** The directory that the VM's file-level restore points lie in, beside each other. Its parent must exist. */
  readonly points: string;
  /** So many volumes may be mounted on this proxy at once (F7). */
  readonly mostVolumes: number;
}

/** A cancellation that waits for a good moment (F10): the end of the disks that are being moved, or of this VM's whole run. */
export const STOPS_AFTER = ['disk', 'vm'] as const;
export type StopAfter = (typeof STOPS_AFTER)[number];

/** What every activity of a run is told. */
export interface Step {
  readonly run: RunRef;
  readonly vm: VmRef;
  readonly proxy: string;
  readonly retries: RetrySettings;
  /** A host that cannot be reached is waited for, without a limit of the step's own; else it is a failure like any other. */
  readonly outage?: 'waited out';
}

/** A clean-up step is retried until absence is observed, whatever the settings say (F1). */
export interface CleanupStep {
  /** The run's proxy: another that cleans up for it is a visitor. */
  readonly proxy: string;
  readonly retries: 'until gone';
}

export interface PreflightResult {
  readonly disks: readonly DiskDescription[];
  /** That the VM lies on. */
  readonly datastores: readonly Pick<DatastoreInfo, 'label' | 'url'>[];
  /** Whether the guest can be quiesced: its tools or its agent answer. */
  readonly toolsRunning: boolean;
  /** Whether the guest's scripts and its freeze are the run's own to let go of. */
  readonly guestIsOurs: boolean;
  readonly warnings: readonly string[];
}

export interface FilePreflightResult extends PreflightResult {
  /** Below which directory of the proxy the volumes are mounted for the run's own module. */
  readonly mountsAt: string;
}

export interface FreezeScriptResult {
  readonly ranBy: string;
  readonly note: string;
  /** Whether a script ran and succeeded, so that the application's own data are in order. */
  readonly applicationReady: boolean;
}

export interface ThawScriptResult {
  readonly note: string;
  readonly warnings: readonly string[];
}

export interface SnapshotResult {
  readonly id: string;
  /** ISO 8601, by the host's clock. */
  readonly takenAt: string;
  readonly consistency: Consistency;
  /** Longest that the guest can have been frozen; 0 where it was not. */
  readonly frozenAtMostMs: number;
  readonly warnings: readonly string[];
}

export interface DiskResult {
  readonly disk: ManifestDisk;
  readonly files: readonly ManifestFile[];
  readonly bytes: number;
  readonly durationMs: number;
  readonly transport: Transport;
  /** Where this attempt went on, in bytes of the stored file; 0 for one that ran through. */
  readonly resumedAtBytes: number;
}

export interface BackupResult {
  readonly state: 'succeeded';
  readonly directory: string;
  readonly consistency: Consistency;
  readonly pointInTime: string;
  readonly disks: readonly {
    readonly label: DiskLabel;
    readonly bytes: number;
    readonly bytesPerSecond: number;
    readonly transport: string;
    readonly sha256: string;
  }[];
  /** Id of the snapshot, where it stays after the run (SNAPSHOT_POLICY). */
  readonly snapshotLeft?: string;
  readonly frozenAtMostMs: number;
  readonly inSnapshotMs: number;
  readonly durationMs: number;
  readonly warnings: readonly string[];
}

/** What `pre-command` waits for: the export stands, or the volumes are mounted. */
export interface StagedExport {
  readonly directory: string;
  readonly volumes?: readonly MountedVolumeInfo[];
  /** What of a VM's volumes is not there, and why. */
  readonly notes?: readonly string[];
}

/** A volume, and where it is mounted. */
export interface MountedVolumeInfo {
  /** As the guest calls it, `C:` or `/srv`; where it has no name, its place on the disks: `scsi0:0/2`. */
  readonly name: string;
  readonly directory: string;
}

export interface MountVolumesResult {
  readonly volumes: readonly MountedVolumeInfo[];
  readonly notes: readonly string[];
}

export interface MountResult extends MountVolumesResult {
  readonly state: 'succeeded';
  readonly directory: string;
  readonly consistency: Consistency;
  readonly pointInTime: string;
  /** Id of the snapshot, where it stays after the run (SNAPSHOT_POLICY). */
  readonly snapshotLeft?: string;
  readonly inSnapshotMs: number;
  readonly durationMs: number;
  readonly warnings: readonly string[];
}

export interface FileBackupResult {
  readonly state: 'succeeded';
  /** Of the restore point. */
  readonly directory: string;
  readonly kind: `file-${FileKind}`;
  /** Name of the restore point that it builds on, which lies beside it. */
  readonly base?: string;
  /** Why it is a full one though another was asked for. */
  readonly fullBecause?: string;
  readonly module: string;
  readonly volumes: readonly {
    readonly name: string;
    /** What its files are in: an archive's name, a snapshot's id, a place. */
    readonly keptIn?: string;
    readonly limits?: string;
  }[];
  /** Of what lies in the restore point's directory. */
  readonly bytes: number;
  readonly notKept: readonly string[];
  /** The last lines that the module's program said. */
  readonly lastLines: readonly string[];
  readonly consistency: Consistency;
  readonly pointInTime: string;
  /** Id of the snapshot, where it stays after the run (SNAPSHOT_POLICY). */
  readonly snapshotLeft?: string;
  readonly inSnapshotMs: number;
  readonly durationMs: number;
  readonly warnings: readonly string[];
}

export interface SweepRequest {
  readonly proxy: string;
}

/** What a sweep did; of long lists only the first lines. */
export interface SweepResult {
  /** `partial`: something could not be let go, or not be seen. */
  readonly state: 'succeeded' | 'partial';
  readonly counts: Readonly<Record<'letGo' | 'kept' | 'failed' | 'unseen', number>>;
  readonly letGo: readonly string[];
  readonly kept: readonly { readonly what: string; readonly reason: string }[];
  readonly failed: readonly string[];
  readonly unseen: readonly string[];
}

/** What an activity tells by its heartbeat: how often the operation itself failed, how far it is, where to go on. */
export interface Pulse {
  readonly operationFailures: number;
  readonly progress?: Progress;
  readonly checkpoint?: Checkpoint;
  readonly held?: Held;
}

/** A run that waits for an operator. */
export interface Held {
  /** What for, and what to do. */
  readonly why: string;
  /** Room that there was when it began to wait for some. */
  readonly freeBytes?: number;
}

/** What a failure of a step carries beside its message. */
export interface FailureDetails {
  readonly what: string;
  readonly why: string;
  readonly hint: string;
  /** As far as the step came. */
  readonly checkpoint?: Checkpoint;
}

export interface Progress {
  readonly what: string;
  readonly bytes: number;
  /** 0 where it is not known beforehand. */
  readonly totalBytes: number;
  /** The total is the disk's size, and how much of it the bytes are is known only at their end: a compressed stream. */
  readonly isGuess?: true;
  /** Of the whole step, where these are the bytes of a part of it. */
  readonly whole?: { readonly bytes: number; readonly totalBytes: number };
}

/** Names only bytes that were fdatasynced. */
export interface Checkpoint {
  readonly file: string;
  readonly durableBytes: number;
}

import type { VmRef } from './holding.js';
import type { Manifest, ManifestDisk } from './manifest.js';
import type { RetrySettings } from './runs.js';
import type { DatastoreInfo, DiskLabel } from './vm.js';

/*
 * What a restore is told, finds out and tells (F12).
 */

export interface RestoreRequest {
  /** The VM to be: its identity is the mutex, its name the name it gets. */
  readonly vm: VmRef;
  readonly proxy: string;
  /** As of a backup. */
  readonly loan: string;
  /** The restore point's directory on the proxy, or its scp URL. */
  readonly directory: string;
  /** Where it is fetched to first: a path of the proxy that the directory's name begins with, in TEMPDIR. */
  readonly fetchInto?: string;
  /** What to do where a VM of that name exists, or files where its disks would be (F12); a person was asked before. */
  readonly existing: 'abort' | 'overwrite';
  readonly powerOn: boolean;
  /** Places by a catalog, where they are not the manifest's. */
  readonly places?: PlaceWish;
  /** Storage and network to restore to, where they are not the original's. */
  readonly storage?: string;
  readonly network?: string;
  /** Network addresses of its own, so that it can run beside its original. */
  readonly newAddresses: boolean;
  readonly retries: RetrySettings;
}

/** What a restore needs to know of the restore point; the rest is read from its manifest where it is needed. */
export interface VerifiedBackup {
  readonly vmName: string;
  readonly bytes: number;
}

export interface RestorePlan {
  readonly place: RestorePlace;
  readonly way: ImportWay;
  /** The VM that the restored one replaces. */
  readonly existing?: { readonly moref: string; readonly instanceUuid: string };
  readonly warnings: readonly string[];
}

/** Where a VM is restored to. */
export interface RestorePlace {
  /** What keeps the disks, for people: a datastore, a directory. */
  readonly storage: string;
  /** The host's own ids of the place; only its driver knows them. */
  readonly ids: Readonly<Record<string, string>>;
}

/** Places as a catalog tells them (F12): in the words of the host that the VM was on. */
export interface PlaceWish {
  readonly folderPath: string;
  readonly resourcePool: string;
  /** Where another host is wanted than the one that it was on. */
  readonly host?: string;
  /** Of the VM's configuration file. */
  readonly configPath?: string;
  readonly diskPaths: Readonly<Record<DiskLabel, string>>;
}

/** Where a user wants a VM restored to; what is not said is as it was. */
export interface RestoreWish {
  readonly vm: Pick<Manifest['vm'], 'folderPath' | 'resourcePool'> &
    Partial<Pick<Manifest['vm'], 'configuration'>>;
  /** The host that it is to be on. */
  readonly host?: string;
  /** Where its configuration file is to be; beside the first disk if not given. */
  readonly configPath?: string;
  /** Storage by the names and paths that it had when the backup was taken (F13). */
  readonly datastores?: readonly DatastoreInfo[];
  readonly disks: readonly WishedDisk[];
  readonly storage?: string;
  readonly network?: string;
}

/** A disk that is to be restored; what is known of it beyond its old place tells how much room it needs. */
export type WishedDisk = Pick<ManifestDisk, 'originalPath'> &
  Partial<Pick<ManifestDisk, 'label' | 'format'>> & {
    /** Of its file in the backup. */
    readonly sizeBytes?: number;
  };

/** `import`: the host takes the disks of a VM that it has made; `upload`: the VM is made from disks that were put there. */
export type ImportWay = 'import' | 'upload';

export interface MadeVm {
  readonly moref: string;
  readonly bytes: number;
}

export interface RestoreResult {
  readonly state: 'succeeded';
  readonly name: string;
  readonly moref: string;
  readonly instanceUuid: string;
  readonly bytes: number;
  readonly durationMs: number;
  readonly warnings: readonly string[];
}

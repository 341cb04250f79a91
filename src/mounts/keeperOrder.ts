import type { ErrorParts } from '../domain/errors.js';
import type { Transport } from '../domain/transport.js';
import type { DiskDescription } from '../domain/vm.js';
import type { NamedVolume } from '../volumes/volume.js';

/** The places of this proxy that a keeper needs: it reaches the host as a worker does. */
export interface KeeperPlaces {
  /** Of the register: which host, and its secret. */
  readonly register: string;
  readonly sessions: string;
  /** Where volumes are looked at before they are mounted. */
  readonly scratch: string;
  /** The file that is locked while slots are counted. */
  readonly slotsLock: string;
}

/** Disks of a snapshot whose volumes are wanted. */
export interface KeeperOrder {
  readonly places: KeeperPlaces;
  /** Of its own, for its sockets and notes. */
  readonly directory: string;
  readonly hostUuid: string;
  /** Whose login session it is: the run's id. */
  readonly user: string;
  readonly instanceUuid: string;
  readonly snapshotId: string;
  readonly transport: Transport;
  readonly disks: readonly DiskDescription[];
}

/** A volume that is mounted. */
export interface MountedVolume {
  readonly volume: NamedVolume;
  readonly directory: string;
}

export interface KeptVolumes {
  readonly mounted: readonly MountedVolume[];
  /** What is not mounted, and why: a line for each volume, disk or name. */
  readonly notes: readonly string[];
}

/** What a keeper is told: first what to open, then below which directory to mount it. */
export type KeeperTask =
  { readonly kind: 'open'; readonly order: KeeperOrder } | { readonly kind: 'mount'; readonly to: string };

/** What it says. */
export type KeeperReport =
  | { readonly kind: 'found'; readonly volumes: number }
  | { readonly kind: 'mounted'; readonly kept: KeptVolumes }
  | { readonly kind: 'failed'; readonly error: ErrorParts };

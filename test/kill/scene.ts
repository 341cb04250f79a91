import type { Client } from '@temporalio/client';
import type { HoldingKind } from '../../src/domain/holding.js';
import type { LabEverthaw, LabHost } from '../lab/everthaw.js';
import type { LabTemporalServer } from '../lab/temporalServer.js';

export type HostKind = 'vsphere' | 'libvirt';

/** A kind of run that a scene can do, with the steps that it consists of. */
export interface Job {
  readonly name: string;
  readonly run: 'backup' | 'files' | 'restore' | 'mount';
  /** Activities in their order, from the first to the last. */
  readonly steps: readonly string[];
  /** The step that moves bytes. */
  readonly moves: string;
  /** The step in which what it makes becomes whole: a run that does not get to its end may leave that, and no less. */
  readonly finishes: string;
  /** What it reaches its host over, where that can be cut by itself. */
  readonly over?: 'ssh';
}

/** A thing that a run holds, as the eyes tell of it, and a kind of run that holds it. */
export interface SeenHolding {
  readonly kind: HoldingKind;
  readonly job: string;
  readonly pattern: RegExp;
}

/** What was seen beside a run for as long as it went on. */
export interface Watched {
  readonly measured: Readonly<Record<string, number>>;
  readonly problems: readonly string[];
}

/** Where a case's run writes to. */
export interface Errand {
  readonly job: Job;
  /** Of a backup its directory; of a backup of files the one that restore points lie in; of a restore the name of the VM to be. */
  readonly target: string;
  readonly vmName: string;
  /** Command and arguments. */
  readonly command: readonly string[];
  /** Variables that it is told besides those of every run. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** A real host of the lab, an Everthaw with a worker, a Temporal server, and what stands there that no run may touch. */
export interface Scene {
  readonly kind: HostKind;
  /** Tells another Everthaw of the same host. */
  readonly reach: LabHost;
  readonly everthaw: LabEverthaw;
  readonly temporal: LabTemporalServer;
  /** Looks on past everything that is cut. */
  readonly client: Client;
  readonly jobs: readonly Job[];
  /** What of each kind of holding can be seen from outside. */
  readonly holdings: readonly SeenHolding[];
  /** Gets all ready for a run: its bytes are made to move slowly. */
  prepare(job: Job, number: number, destination: string): Promise<Errand>;
  /** Watches what must not last, until the function that it returns is called. */
  watch(errand: Errand): () => Promise<Watched>;
  /** Lets bytes move as fast as they can, and takes back what was done to the host. */
  heal(): Promise<void>;
  /** Everything that is held or stands there of somebody else's, told by eyes that are not the product's. */
  look(): Promise<readonly string[]>;
  /** Everything that has to be as it was whatever happens: older backups, other people's VMs and files. */
  untouched(): Promise<readonly string[]>;
  /** Of a run that succeeded: what is wrong with the bytes that it made. */
  wrongBytes(errand: Errand): Promise<readonly string[]>;
  /** Of a run that did not succeed: what it left that looks like a result. */
  results(errand: Errand): Promise<readonly string[]>;
  /** Of the VM itself: what is not as a user wants it to be. */
  unwell(): Promise<readonly string[]>;
  /** Removes what a case made on purpose. */
  tidy(errand: Errand): Promise<void>;
  stop(): Promise<void>;
}

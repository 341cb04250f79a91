import type { Absence, Holding, HoldingKind } from '../domain/holding.js';
import type { OwnerRecord } from '../domain/owner.js';
import type { FoundThing } from '../domain/release.js';
import type { Host } from '../hosts/host.js';
import type { Destinations } from '../destinations/destinations.js';
import type { HostUse } from '../hosts/hostPool.js';
import type { HostEntry } from '../hosts/register.js';
import type { HoldingRecords } from './records.js';

export type HoldingOf<K extends HoldingKind> = Extract<Holding, { kind: K }>;

/** What releasing needs: hosts and destinations to talk to, this proxy's notes. No Temporal. */
export interface ReleaseTools {
  readonly proxy: string;
  readonly hosts: HostUse;
  readonly records: HoldingRecords;
  readonly destinations: Destinations;
}

/** A thing found by listing, with whose it is; `holding` is missing where its owner cannot be read. */
export interface FoundHolding extends FoundThing {
  readonly kind: HoldingKind;
  /** Tells it apart from all others of its kind, the same each time that it is listed. */
  readonly key: string;
  /** What and where, for people. */
  readonly what: string;
  /** The host that it lies on, or that its release needs. */
  readonly hostUuid?: string;
  readonly holding: Holding | undefined;
  /** How it is let go without a record that says whose it is: because nobody can have it any more, or by force. */
  readonly directly?: () => Promise<void>;
}

/** A host that is listed, with its clock. */
export interface ListedHost {
  readonly entry: HostEntry;
  readonly host: Host;
  /** How long ago a time of its clock was. */
  readonly ageMs: (at: string) => number;
}

/** What is listed on a proxy: its own notes, and how old they are by the clock of the host that they are about. */
export interface ListedProxy extends ReleaseTools {
  /** Name of the sweep's own login sessions and loans, which are no left-overs. */
  readonly user: string;
  /** Undefined where that host did not answer. */
  readonly ageMs: (owner: OwnerRecord) => number | undefined;
}

/** How all that exist of a kind are found: on each host, or in the notes of this proxy. */
export type Lister =
  | { readonly on: 'host'; find(at: ListedHost): Promise<readonly FoundHolding[]> }
  | { readonly on: 'proxy'; find(at: ListedProxy): Promise<readonly FoundHolding[]> };

/**
 * One kind of thing that must be let go again. A kind is one file: what takes it (a function of its own), how it is released,
 * how its absence is seen, and how all that exist are found.
 */
export interface Kind<K extends HoldingKind> {
  /** Releases it. Idempotent: what is gone already is no error. */
  release(holding: HoldingOf<K>, tools: ReleaseTools): Promise<void>;
  absence(holding: HoldingOf<K>, tools: ReleaseTools): Promise<Absence>;
  readonly list: Lister;
}

/** The run that a record names. */
export function runOf(owner: OwnerRecord) {
  return { workflowId: owner.workflowId, runId: owner.runId };
}

/** The VM that a record names. */
export function vmOf(owner: OwnerRecord, name: string) {
  return { hostUuid: owner.hostUuid, instanceUuid: owner.vmUuid, name };
}

/** The age by the host's clock, where it is known. */
export function agedOn(at: ListedProxy, owner: OwnerRecord): { readonly ageMs?: number } {
  const ageMs = at.ageMs(owner);
  return ageMs === undefined ? {} : { ageMs };
}

export const GONE: Absence = { state: 'gone' };

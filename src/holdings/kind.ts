import type { Absence, Holding, HoldingKind } from '../domain/holding.js';
import type { OwnerRecord } from '../domain/owner.js';
import type { HostPool } from '../hosts/hostPool.js';
import type { HoldingRecords } from './records.js';

export type HoldingOf<K extends HoldingKind> = Extract<Holding, { kind: K }>;

/** What releasing needs: hosts to talk to, this proxy's notes. No Temporal. */
export interface ReleaseTools {
  readonly proxy: string;
  readonly hosts: HostPool;
  readonly records: HoldingRecords;
}

/** A thing found by listing, with whose it is; `holding` is missing where its owner cannot be read. */
export interface FoundHolding {
  readonly kind: HoldingKind;
  /** What and where, for people. */
  readonly what: string;
  readonly owner: OwnerRecord | undefined;
  /** The VM that it was found on. */
  readonly vmUuid?: string;
  readonly ageMs?: number;
  /** It is meant to stay. */
  readonly kept?: OwnerRecord['kept'] | undefined;
  readonly holding: Holding | undefined;
}

/**
 * One kind of thing that must be let go again. A kind is one file: what takes it (a function of its own), how it is released,
 * how its absence is seen, and how all that exist are found.
 */
export interface Kind<K extends HoldingKind> {
  /** Releases it. Idempotent: what is gone already is no error. */
  release(holding: HoldingOf<K>, tools: ReleaseTools): Promise<void>;
  absence(holding: HoldingOf<K>, tools: ReleaseTools): Promise<Absence>;
  list(tools: ReleaseTools): Promise<readonly FoundHolding[]>;
}

/** The run that a record names. */
export function runOf(owner: OwnerRecord) {
  return { workflowId: owner.workflowId, runId: owner.runId };
}

/** The VM that a record names. */
export function vmOf(owner: OwnerRecord, name: string) {
  return { hostUuid: owner.hostUuid, instanceUuid: owner.vmUuid, name };
}

export const GONE: Absence = { state: 'gone' };

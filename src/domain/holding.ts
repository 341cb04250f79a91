import type { RestorePlace } from './restores.js';
import type { Transport } from './transport.js';

/** The run that holds a thing; enough to find everything of it again. */
export interface RunRef {
  readonly workflowId: string;
  readonly runId: string;
}

/** A VM on a host, by what does not change when it is renamed, moved or registered again. */
export interface VmRef {
  readonly hostUuid: string;
  readonly instanceUuid: string;
  /** Its name when the run began, for messages only. */
  readonly name: string;
}

interface OnHost {
  readonly run: RunRef;
  readonly vm: VmRef;
}

interface OnProxy extends OnHost {
  readonly proxy: string;
}

/**
 * Something taken that must be let go again, as a workflow notes it before taking it. Each kind has a file of its name in
 * src/holdings, which says how it is released and how its absence is seen.
 */
export type Holding =
  | (OnHost & { readonly kind: 'snapshot' })
  | (OnHost & { readonly kind: 'halfRestoredVm'; readonly finalName: string })
  | (OnHost & { readonly kind: 'uploadedFile'; readonly place: RestorePlace; readonly directory: string })
  | (OnHost & { readonly kind: 'pausedApplication' })
  | (OnHost & { readonly kind: 'freeze' })
  | (OnProxy & { readonly kind: 'exportLease' })
  | (OnProxy & { readonly kind: 'importLease' })
  | (OnProxy & { readonly kind: 'nbdServer' })
  | (OnProxy & { readonly kind: 'replacedVm'; readonly finalName: string })
  | (OnProxy & { readonly kind: 'partialDirectory'; readonly directory: string })
  | (OnProxy & { readonly kind: 'stagedExport'; readonly directory: string })
  | (OnProxy & { readonly kind: 'volumeMount'; readonly directory: string })
  | (OnProxy & { readonly kind: 'loginSession' })
  | (OnProxy & { readonly kind: 'hostLoan'; readonly loan: string });

export type HoldingKind = Holding['kind'];

/** Which holding a transport takes while it reads a disk; a host's own export belongs to the snapshot. */
export const HOLDING_OF_TRANSPORT = {
  lease: 'exportLease',
  datastore: 'nbdServer',
  export: undefined,
} as const satisfies Record<Transport['via'], HoldingKind | undefined>;

/** `gone` was observed; `unknown` (host unreachable, VM inaccessible) must not be taken for it. */
export type Absence =
  | { readonly state: 'gone' }
  | { readonly state: 'present'; readonly why: string }
  | { readonly state: 'unknown'; readonly why: string };

import * as z from 'zod';

/** Whose a hold is. */
export const HOLD_OWNER = z.object({
  vmUuid: z.string(),
  vmName: z.string(),
  runId: z.string(),
  /** Carries the owner record. */
  description: z.string(),
});

export const HELD_DISK = z.object({
  label: z.string(),
  target: z.string(),
  /** Where the VM keeps it when nobody holds it. */
  path: z.string(),
  isDevice: z.boolean(),
  format: z.string(),
  sizeBytes: z.number(),
});

/** A point in time that is about to be taken: from here on it must be released. */
export const SNAPSHOT_PLAN = z.object({
  mode: z.enum(['pull', 'overlay']),
  name: z.string(),
  plannedAt: z.string(),
  disks: z.array(HELD_DISK).readonly(),
  /** Where sockets lie: their paths may be 107 bytes long at most. */
  socketDirectory: z.string(),
  /** Where QEMU serves the disks by TLS; on a socket in that directory where not said. */
  server: z.object({ address: z.string(), port: z.number() }).optional(),
});

/** A point in time that was taken. */
export const SNAPSHOT_TAKEN = z.object({
  takenAt: z.string(),
  quiesced: z.boolean(),
});

/** A guest's application that is about to be paused, and the boot that it is paused in. */
export const PAUSED = z.object({
  domainId: z.string(),
  bootId: z.string(),
});

/** A guest that is about to be frozen. */
export const FREEZING = z.object({
  nonce: z.string(),
  domainId: z.string(),
  /** When its own switch lets it go, by the host's clock; undefined where it has none. */
  freeFrom: z.string().optional(),
});

/** What a hold directory may bear, by the file's name without `.json`. */
export const HOLD_RECORDS = {
  owner: HOLD_OWNER,
  plan: SNAPSHOT_PLAN,
  taken: SNAPSHOT_TAKEN,
  paused: PAUSED,
  freezing: FREEZING,
} as const;

export type RecordName = keyof typeof HOLD_RECORDS;
export type HoldRecords = { readonly [Name in RecordName]?: z.infer<(typeof HOLD_RECORDS)[Name]> };
export type HoldOwner = z.infer<typeof HOLD_OWNER>;
export type HeldDisk = z.infer<typeof HELD_DISK>;
export type SnapshotPlan = z.infer<typeof SNAPSHOT_PLAN>;
export type Paused = z.infer<typeof PAUSED>;
export type Freezing = z.infer<typeof FREEZING>;

/** Everything that a run holds of a VM on its host. */
export interface Hold extends HoldRecords {
  readonly path: string;
  /** Records that are there and cannot be read: of another version of ours, or damaged. */
  readonly unreadable: readonly RecordName[];
}

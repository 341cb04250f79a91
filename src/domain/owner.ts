/**
 * Who took a thing: written on the thing itself (snapshot description, owner file, mark on a half-restored VM), so that
 * it can be told from outside, years later and without a database, whose it is and whether its owner still lives.
 */
export interface OwnerRecord {
  readonly version: 1;
  /** Id of the Temporal cluster, which tells two servers apart that use the same namespace and ids. */
  readonly cluster: string;
  readonly namespace: string;
  readonly workflowId: string;
  /** The first execution's run id: the same over retries and continue-as-new. */
  readonly runId: string;
  readonly hostUuid: string;
  /** Instance uuid of the VM; a record found on another VM came there by cloning and is foreign. */
  readonly vmUuid: string;
  readonly proxy: string;
  readonly machineId: string;
  readonly bootId: string;
  /** When it was taken, ISO 8601, by the host's clock. */
  readonly takenAt: string;
  /** The run's own maximum snapshot age; whoever finds the record without it goes by their own. */
  readonly maximumAgeMs?: number;
  /** The run's snapshot is meant to stay after it (SNAPSHOT_POLICY createonly): nobody sweeps that. */
  readonly kept?: 'createonly';
}

const MARK = 'everthaw-owner:';

/** The record as text: one line for people, one for us. */
export function formatOwner(owner: OwnerRecord): string {
  return `Made by Everthaw for a running backup or restore; it is removed when that ends.\n${MARK}${JSON.stringify(owner)}`;
}

/** The record in a text, or undefined where there is none that can be read: such a thing is never ours to release. */
export function parseOwner(text: string): OwnerRecord | undefined {
  const at = text.indexOf(MARK);
  if (at < 0) return undefined;
  const line = text.slice(at + MARK.length).split('\n', 1)[0] ?? '';
  try {
    const record: unknown = JSON.parse(line);
    return isOwnerRecord(record) ? record : undefined;
  } catch {
    return undefined;
  }
}

const FIELDS = [
  'cluster',
  'namespace',
  'workflowId',
  'runId',
  'hostUuid',
  'vmUuid',
  'proxy',
  'machineId',
  'bootId',
  'takenAt',
] as const satisfies readonly (keyof OwnerRecord)[];

function isOwnerRecord(value: unknown): value is OwnerRecord {
  if (typeof value !== 'object' || value === null) return false;
  const record = value as Record<string, unknown>;
  const { maximumAgeMs } = record;
  // A number too great to be one is none: it could not be written down again.
  if (maximumAgeMs !== undefined && !Number.isFinite(maximumAgeMs)) return false;
  return record['version'] === 1 && FIELDS.every((field) => typeof record[field] === 'string');
}

import { printable } from './printable.js';

/**
 * What may be done after an error. `again`: the same operation may succeed later (counted against MAX_RETRIES, F3);
 * `final`: repeating it cannot help.
 */
export type Retry = 'again' | 'final';

/** Every kind of failure that a caller may want to tell apart; becomes the type of Temporal's ApplicationFailure. */
export const ERROR_CODES = [
  'BackupDamaged',
  'Cancelled',
  'CertificateRefused',
  'DestinationFull',
  'DestinationInUse',
  'DestinationMissing',
  'DiskNotSupported',
  'FileNotFound',
  'FreezeScriptFailed',
  'HostFault',
  'HostNotRegistered',
  'HostStorageFull',
  'HostUnreachable',
  'JobNotFound',
  'JobRunning',
  'LoginRefused',
  'MountLost',
  'NotPermitted',
  'ProgramFailed',
  'ProgramMissing',
  'QuiesceFailed',
  'ResourceBusy',
  'RestorePlaceMissing',
  'RestoreTargetExists',
  'RunNotFound',
  'SnapshotForeign',
  'SnapshotLost',
  'SnapshotMissing',
  'SnapshotTooOld',
  'StreamTorn',
  'TransportRefused',
  'UnexpectedError',
  'VmAmbiguous',
  'VmInUse',
  'VmIsTemplate',
  'VmNotFound',
  'WorkerMissing',
  'WrongUsage',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

export interface ErrorParts {
  readonly code: ErrorCode;
  /** The action that failed and its object: `read disk scsi0:0 of "vm37"`. */
  readonly what: string;
  /** The reason, as the lower layer told it. */
  readonly why: string;
  /** What the user can do about it. */
  readonly hint: string;
  readonly retry?: Retry;
  readonly cause?: unknown;
}

/** The one error class of the project: `<what>: <why>. Hint: <hint>` on one line, which shows what others chose as it is. */
export class EverthawError extends Error {
  override readonly name = 'EverthawError';
  readonly code: ErrorCode;
  readonly what: string;
  readonly why: string;
  readonly hint: string;
  readonly retry: Retry;

  constructor(parts: ErrorParts) {
    super(
      `${oneLine(parts.what)}: ${oneLine(parts.why).replace(/[.\s]+$/, '')}. Hint: ${oneLine(parts.hint)}`,
      {
        cause: parts.cause,
      },
    );
    this.code = parts.code;
    this.what = parts.what;
    this.why = parts.why;
    this.hint = parts.hint;
    this.retry = parts.retry ?? 'final';
  }
}

export function isErrorWithCode(error: unknown, ...codes: readonly ErrorCode[]): error is EverthawError {
  return error instanceof EverthawError && codes.includes(error.code);
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function assertNever(value: never): never {
  throw new Error(`not handled: ${JSON.stringify(value)}`);
}

/** Longer than any reason that says something; what is damaged may be of any length. */
const LONGEST_PART = 2000;

function oneLine(text: string): string {
  const part = printable(text.slice(0, LONGEST_PART + 1).replace(/\s*[\r\n]+\s*/g, ' '));
  return part.length > LONGEST_PART ? `${part.slice(0, LONGEST_PART)}…` : part;
}

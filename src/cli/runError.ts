import { WorkflowFailedError } from '@temporalio/client';
import { ERROR_CODES, EverthawError, type ErrorCode } from '../domain/errors.js';

/** The error that ended a run, out of the layers that Temporal wraps it in. */
export function runError(error: unknown): unknown {
  if (!(error instanceof WorkflowFailedError)) return error;
  let at: unknown = error.cause;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  if (!(at instanceof Error)) return error;
  const type = 'type' in at ? at.type : undefined;
  const code: ErrorCode =
    ERROR_CODES.find((known) => known === type) ??
    (at.name === 'CancelledFailure' ? 'Cancelled' : 'UnexpectedError');
  const parts = ('details' in at && Array.isArray(at.details) ? at.details[0] : undefined) as
    { what: string; why: string; hint: string } | undefined;
  if (parts !== undefined) return new EverthawError({ code, ...parts });
  return code === 'Cancelled'
    ? new EverthawError({
        code,
        what: 'run',
        why: 'it was cancelled, and everything that it held is let go',
        hint: 'start it again when you like',
      })
    : at;
}

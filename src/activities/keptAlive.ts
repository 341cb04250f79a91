import { cancellationSignal } from '@temporalio/activity';
import { isErrorWithCode } from '../domain/errors.js';

const KEEP_ALIVE_MS = 5000;
/** How long a host may leave a question unanswered. */
const PATIENCE_MS = 45_000;

/**
 * Runs `work` and tells the host now and then that it lives. A sign of life that fails stops the work, and is why it failed.
 */
export async function keptAlive<T>(
  signOfLife: () => Promise<unknown>,
  work: (signal: AbortSignal) => Promise<T>,
  everyMs = KEEP_ALIVE_MS,
): Promise<T> {
  const lost = new AbortController();
  let isAsking = false;
  let lastAnswerAt = Date.now();
  const timer = setInterval(() => {
    // A slow answer is waited for, not asked for again.
    if (isAsking) return;
    isAsking = true;
    signOfLife()
      .then(() => (lastAnswerAt = Date.now()))
      .catch((error: unknown) => {
        // The bytes go another way: a host that does not answer for a moment (its daemon starts anew) is no reason to give up.
        const isPassing =
          isErrorWithCode(error, 'HostUnreachable') && Date.now() - lastAnswerAt < PATIENCE_MS;
        if (!isPassing) lost.abort(error);
      })
      .finally(() => (isAsking = false));
  }, everyMs);
  try {
    return await work(AbortSignal.any([cancellationSignal(), lost.signal]));
  } finally {
    clearInterval(timer);
  }
}

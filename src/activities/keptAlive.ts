import { cancellationSignal } from '@temporalio/activity';

const KEEP_ALIVE_MS = 15_000;

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
  const timer = setInterval(() => {
    // A slow answer is waited for, not asked for again.
    if (isAsking) return;
    isAsking = true;
    signOfLife()
      .catch((error: unknown) => {
        lost.abort(error);
      })
      .finally(() => (isAsking = false));
  }, everyMs);
  try {
    return await work(AbortSignal.any([cancellationSignal(), lost.signal]));
  } finally {
    clearInterval(timer);
  }
}

import { cancellationSignal } from '@temporalio/activity';

const KEEP_ALIVE_MS = 15_000;

/**
 * Runs `work` and tells the host now and then that it lives. A sign of life that fails stops the work, and is why it failed.
 */
export async function keptAlive<T>(
  signOfLife: () => Promise<unknown>,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const lost = new AbortController();
  const timer = setInterval(() => {
    signOfLife().catch((error: unknown) => {
      lost.abort(error);
    });
  }, KEEP_ALIVE_MS);
  try {
    return await work(AbortSignal.any([cancellationSignal(), lost.signal]));
  } finally {
    clearInterval(timer);
  }
}

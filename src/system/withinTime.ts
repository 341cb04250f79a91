import { EverthawError } from '../domain/errors.js';

/**
 * Waits for work only so long. The work itself goes on: it must be of a kind that may.
 *
 * @throws EverthawError HostUnreachable
 */
export async function withinTime<T>(what: string, timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(
        new EverthawError({
          code: 'HostUnreachable',
          what,
          why: `there was no answer within ${timeoutMs / 1000} s`,
          hint: 'it is tried again at the next sweep',
          retry: 'again',
        }),
      );
    }, timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

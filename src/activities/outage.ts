import { EverthawError, isErrorWithCode } from '../domain/errors.js';
import type { Host } from '../hosts/host.js';

/** What a step failed with that reads a host's disks. A reader knows only that its bytes ended: the host says whether it is there at all. */
export async function outageOr(error: unknown, host: Host): Promise<unknown> {
  if (!(error instanceof EverthawError) || error.retry === 'final') return error;
  try {
    await host.now();
    return error;
  } catch (silence) {
    return isErrorWithCode(silence, 'HostUnreachable') ? silence : error;
  }
}

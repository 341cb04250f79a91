import { lstat, mkdir } from 'node:fs/promises';

/**
 * Where a volume goes. What is there already is the guest's, copied or mounted: a link of its would lead out of here.
 * Undefined where it is no directory, or none can be made.
 */
export async function makePlace(to: string, steps: readonly string[]): Promise<string | undefined> {
  let at = to;
  for (const step of steps) {
    if (step === '.' || step === '..') return undefined;
    at = `${at}/${step}`;
    const stats = await lstat(at).catch(() => undefined);
    if (stats?.isDirectory() === false) return undefined;
    if (stats !== undefined) continue;
    try {
      await mkdir(at, { mode: 0o755 });
    } catch (error) {
      // Within another volume, which is only read.
      if ((error as NodeJS.ErrnoException).code === 'EROFS') return undefined;
      throw error;
    }
  }
  return at;
}

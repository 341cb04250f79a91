import { once } from 'node:events';
import { exitOf, spawnTethered, tailOf } from './program.js';

const PATIENCE_SECONDS = 10;

/**
 * Works while this process alone holds the kernel's lock on a file, which is made if it is not there. However the process ends, the
 * lock ends with it.
 *
 * @throws Error where nobody lets go of it in time
 */
export async function withFileLock<T>(file: string, work: () => Promise<T>): Promise<T> {
  // It says when it has the lock, and has it until we close its input.
  const args = ['--timeout', String(PATIENCE_SECONDS), file, 'sh', '-c', 'echo; exec cat > /dev/null'];
  const child = spawnTethered('flock', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const tail = tailOf(child);
  const exited = exitOf(child);
  child.stdin?.on('error', () => undefined);
  try {
    const exit = await Promise.race([exited, once(child.stdout ?? child, 'data').then(() => undefined)]);
    if (exit !== undefined) throw new Error(`flock ${file} ended with ${exit}: ${tail() || 'it is held'}`);
    return await work();
  } finally {
    child.stdin?.end();
    await exited.catch(() => undefined);
  }
}

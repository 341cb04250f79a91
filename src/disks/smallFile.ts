import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { copyToFile, type Copied } from './copier.js';
import { unwritable } from './writeFault.js';
import { exitOf, programFailed, spawnTethered, tailOf } from '../system/program.js';
import type { SourceProgram } from '../system/sourceProgram.js';

/** More than configurations, NVRAM and most logs are; so many for each step that a worker takes at once are affordable. */
const MOST_BYTES = 4 * 1024 * 1024;

/**
 * Keeps what a program writes: through memory while it is small, which is quicker than to start a copying process, and has nobody who
 * could write on later. What turns out larger is copied by one.
 */
export async function copySmallFile(
  source: SourceProgram,
  file: string,
  signal: AbortSignal,
): Promise<Copied> {
  const bytes = await outputOf(source, signal);
  if (bytes === undefined)
    return copyToFile({ source, file, offsetBytes: 0, sparse: false }, () => undefined, signal);
  try {
    await writeFile(file, bytes, { mode: 0o600 });
  } catch (error) {
    const { code = 'EIO', message } = error as NodeJS.ErrnoException;
    throw unwritable(file, code, message);
  }
  return { sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** All that a program writes; undefined as soon as it is too much, and the program is ended. */
export async function outputOf(source: SourceProgram, signal: AbortSignal): Promise<Buffer | undefined> {
  signal.throwIfAborted();
  const child = spawnTethered(source.program, source.args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const tail = tailOf(child);
  const ended = exitOf(child);
  const kill = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', kill, { once: true });
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  child.stdout?.on('data', (chunk: Buffer) => {
    sizeBytes += chunk.length;
    if (sizeBytes > MOST_BYTES) kill();
    else chunks.push(chunk);
  });
  try {
    child.stdin?.on('error', () => undefined).end(source.stdin ?? '');
    const exit = await ended;
    signal.throwIfAborted();
    if (sizeBytes > MOST_BYTES) return undefined;
    if (exit !== 0) throw programFailed(source, exit, tail());
    return Buffer.concat(chunks);
  } finally {
    signal.removeEventListener('abort', kill);
  }
}

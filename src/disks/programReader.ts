import type { BlockPool } from './blockPool.js';
import { exitOf, spawnTethered, tailOf } from '../system/program.js';
import { CopyFailure } from './copyFailure.js';
import type { SourceProgram } from '../system/sourceProgram.js';

/** Reads what a program writes, whole blocks, in order. @throws CopyFailure when it fails, after everything that it wrote */
export async function readProgram(
  source: SourceProgram,
  pool: BlockPool,
  put: (bytes: Buffer) => void,
): Promise<void> {
  const child = spawnTethered(source.program, source.args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const tail = tailOf(child);
  const ended = exitOf(child);
  ended.catch(() => undefined);
  child.stdin?.on('error', () => undefined).end(source.stdin ?? '');
  let block = await pool.take();
  let filledBytes = 0;
  for await (const chunk of (child.stdout ?? []) as AsyncIterable<Buffer>) {
    for (let taken = 0; taken < chunk.length;) {
      const copied = chunk.copy(block, filledBytes, taken);
      filledBytes += copied;
      taken += copied;
      if (filledBytes < block.length) continue;
      put(block);
      block = await pool.take();
      filledBytes = 0;
    }
  }
  if (filledBytes > 0) put(block.subarray(0, filledBytes));
  const exit = await ended;
  if (exit !== 0) throw new CopyFailure({ kind: 'failed', program: source.program, exit, tail: tail() });
}

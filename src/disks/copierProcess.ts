import { BlockFile, type BlockSink } from './blockFile.js';
import { BlockPipe } from './blockPipe.js';
import { qcow2Plan, rawPlan } from './blockPlan.js';
import { BLOCK_BYTES, BlockPool } from './blockPool.js';
import type { CopyOrder, CopyReport } from './copier.js';
import { HashingWriter } from './hashingWriter.js';
import { readNbd } from './nbdReader.js';
import { readProgram } from './programReader.js';
import { CopyFailure } from './copyFailure.js';

/*
 * The process that moves a disk's bytes: this thread reads a program's standard output or an NBD export into blocks, a second one hashes
 * them, libuv's write them. It has a process of its own so that it can be killed when it must be fenced, and whatever it holds with it.
 */

const PROGRESS_MS = 250;

async function copy(order: CopyOrder): Promise<CopyReport> {
  const pool = new BlockPool();
  const file = await openSink(order);
  const writer = new HashingWriter(file, pool, order.sparse);
  const timer = setInterval(() => {
    report({ kind: 'progress', bytes: writer.bytes, durableBytes: writer.durableBytes });
  }, PROGRESS_MS);
  try {
    await Promise.race([
      writer.failed,
      ...(file.lost === undefined ? [] : [file.lost]),
      fill(writer, pool, order),
    ]);
    return { kind: 'done', ...(await writer.end()) };
  } finally {
    clearInterval(timer);
    await file.close();
  }
}

async function openSink({ file: path, into, offsetBytes }: CopyOrder): Promise<BlockSink> {
  if (into !== undefined) return BlockPipe.open(into);
  const file = await BlockFile.open(path);
  // Holes are only holes where nothing lies: what an earlier attempt wrote past its checkpoint must not shine through.
  await file.endAt(Math.min(offsetBytes, await file.sizeBytes()));
  return file;
}

/** @throws CopyFailure */
async function fill(
  writer: HashingWriter,
  pool: BlockPool,
  { source, offsetBytes, image }: CopyOrder,
): Promise<void> {
  await writer.keep(offsetBytes);
  const put = (bytes: Buffer): void => {
    writer.put(bytes);
  };
  if (!('socket' in source)) return readProgram(source, pool, put);
  try {
    const planFor = (sizeBytes: number) =>
      image === undefined
        ? rawPlan(sizeBytes, BLOCK_BYTES)
        : qcow2Plan(image.capacityBytes, image.data, BLOCK_BYTES, offsetBytes);
    await readNbd(source, planFor, pool, put);
  } catch (error) {
    throw new CopyFailure({ kind: 'unreadable', message: (error as Error).message });
  }
}

function report(message: CopyReport): void {
  process.send?.(message);
}

process.once('disconnect', () => {
  process.exit(1);
});
process.once('message', (order) => {
  copy(order as CopyOrder)
    .catch((error: unknown): CopyReport => {
      if (error instanceof CopyFailure) return error.report;
      const { code = 'EIO', message } = error as NodeJS.ErrnoException;
      return { kind: 'unwritable', code, message };
    })
    // A source that is still read ends with the process.
    .then((last) => process.send?.(last, () => process.exit(0)))
    .catch(() => process.exit(1));
});

import { createHash, type Hash } from 'node:crypto';
import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { promisify } from 'node:util';
import type { CopyOrder, CopyReport } from './copier.js';
import { readNbd } from './nbdReader.js';
import { exitOf, spawnTethered, tailOf } from './program.js';
import type { SourceProgram } from './sourceProgram.js';

/*
 * The process that moves a disk's bytes: reads a program's standard output or an NBD export, writes a file, hashes what it writes. It has a
 * process of its own so that hashing never delays a worker's heartbeats, and so that it can be killed when it must be fenced.
 */

const BLOCK_BYTES = 1024 * 1024;
/** Shortest run of zeros that is left as a hole. */
const HOLE_BYTES = 64 * 1024;
const ZEROS = Buffer.alloc(HOLE_BYTES);
const CHECKPOINT_BYTES = 64 * 1024 * 1024;
const PROGRESS_MS = 250;

const sync = promisify(fdatasync);

/** Writes a file from front to back, leaving holes, and hashes the bytes as they would be read back. */
class HashingWriter {
  readonly #fd: number;
  readonly #sparse: boolean;
  readonly #hash: Hash = createHash('sha256');
  readonly #block = Buffer.allocUnsafe(BLOCK_BYTES);
  #filled = 0;
  #position = 0;
  durableBytes = 0;

  constructor(fd: number, sparse: boolean) {
    this.#fd = fd;
    this.#sparse = sparse;
  }

  get bytes(): number {
    return this.#position + this.#filled;
  }

  /** Takes over what an earlier attempt wrote: the checkpoint says that it is on the disk, the hash is made again. */
  skipPrefix(lengthBytes: number): void {
    while (this.#position < lengthBytes) {
      const read = readSync(
        this.#fd,
        this.#block,
        0,
        Math.min(BLOCK_BYTES, lengthBytes - this.#position),
        this.#position,
      );
      if (read === 0)
        throw Object.assign(new Error('the partial file is shorter than its checkpoint'), { code: 'EIO' });
      this.#hash.update(this.#block.subarray(0, read));
      this.#position += read;
    }
    this.durableBytes = lengthBytes;
  }

  write(chunk: Buffer): void {
    for (let taken = 0; taken < chunk.length;) {
      const length = Math.min(chunk.length - taken, BLOCK_BYTES - this.#filled);
      const part = chunk.subarray(taken, taken + length);
      taken += length;
      if (length === BLOCK_BYTES) {
        this.#put(part);
      } else {
        this.#block.set(part, this.#filled);
        this.#filled += length;
        if (this.#filled === BLOCK_BYTES) this.#flush();
      }
    }
  }

  async sync(): Promise<void> {
    const written = this.#position;
    await sync(this.#fd);
    this.durableBytes = written;
  }

  async end(): Promise<{ sizeBytes: number; sha256: string }> {
    this.#flush();
    // A hole at the end, and whatever a longer earlier attempt left behind it.
    ftruncateSync(this.#fd, this.#position);
    await sync(this.#fd);
    return { sizeBytes: this.#position, sha256: this.#hash.digest('hex') };
  }

  #flush(): void {
    this.#put(this.#block.subarray(0, this.#filled));
    this.#filled = 0;
  }

  #put(block: Buffer): void {
    this.#hash.update(block);
    if (this.#sparse) this.#writeData(block);
    else this.#writeAll(block, 0);
    this.#position += block.length;
  }

  /** Writes what lies between the holes. */
  #writeData(block: Buffer): void {
    let dataFrom = 0;
    for (let at = 0; at < block.length; at += HOLE_BYTES) {
      const end = Math.min(at + HOLE_BYTES, block.length);
      if (block.compare(ZEROS, 0, end - at, at, end) !== 0) continue;
      this.#writeAll(block.subarray(dataFrom, at), dataFrom);
      dataFrom = end;
    }
    this.#writeAll(block.subarray(dataFrom), dataFrom);
  }

  #writeAll(data: Buffer, from: number): void {
    for (let written = 0; written < data.length;) {
      written += writeSync(this.#fd, data, written, data.length - written, this.#position + from + written);
    }
  }
}

/** What became of a source that could not be read to its end. */
class SourceFailure extends Error {
  readonly report: CopyReport;

  constructor(report: CopyReport) {
    super('the source failed');
    this.report = report;
  }
}

/** @throws SourceFailure when the program fails, after everything that it wrote */
async function* outputOf(source: SourceProgram): AsyncGenerator<Buffer, void> {
  const child = spawnTethered(source.program, source.args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const tail = tailOf(child);
  const ended = exitOf(child);
  ended.catch(() => undefined);
  try {
    child.stdin?.on('error', () => undefined).end(source.stdin ?? '');
    for await (const chunk of child.stdout ?? []) yield chunk as Buffer;
  } finally {
    // Whatever went wrong, the source is not left running.
    if (child.exitCode === null) child.stdout?.destroy();
  }
  const exit = await ended;
  if (exit !== 0) throw new SourceFailure({ kind: 'failed', program: source.program, exit, tail: tail() });
}

/** @throws SourceFailure */
async function* bytesOf(socket: string): AsyncGenerator<Buffer, void> {
  try {
    yield* readNbd(socket);
  } catch (error) {
    throw new SourceFailure({ kind: 'unreadable', message: (error as Error).message });
  }
}

async function copy(order: CopyOrder): Promise<CopyReport> {
  const fd = openSync(order.file, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    // Holes are only holes where nothing lies: what an earlier attempt wrote past its checkpoint must not shine through.
    ftruncateSync(fd, Math.min(order.offsetBytes, fstatSync(fd).size));
    const writer = new HashingWriter(fd, order.sparse);
    writer.skipPrefix(order.offsetBytes);
    const timer = setInterval(() => {
      report({ kind: 'progress', bytes: writer.bytes, durableBytes: writer.durableBytes });
    }, PROGRESS_MS);
    try {
      const chunks = 'socket' in order.source ? bytesOf(order.source.socket) : outputOf(order.source);
      let syncing: Promise<void> | undefined;
      let nextSync = order.offsetBytes + CHECKPOINT_BYTES;
      for await (const chunk of chunks) {
        writer.write(chunk);
        if (writer.bytes < nextSync) continue;
        nextSync = writer.bytes + CHECKPOINT_BYTES;
        await syncing;
        syncing = writer.sync();
        // Its failure is met at the next one.
        syncing.catch(() => undefined);
      }
      await syncing;
    } finally {
      clearInterval(timer);
    }
    return { kind: 'done', ...(await writer.end()) };
  } finally {
    closeSync(fd);
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
      if (error instanceof SourceFailure) return error.report;
      const { code = 'EIO', message } = error as NodeJS.ErrnoException;
      return { kind: 'unwritable', code, message };
    })
    .then((last) => process.send?.(last, () => process.exit(0)))
    .catch(() => process.exit(1));
});

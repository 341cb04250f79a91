import type { BlockSink } from './blockFile.js';
import type { BlockPool } from './blockPool.js';
import { Hasher } from './hasher.js';

/** Shortest run of zeros that is left as a hole. */
const HOLE_BYTES = 64 * 1024;
const ZEROS = Buffer.alloc(HOLE_BYTES);
const CHECKPOINT_BYTES = 64 * 1024 * 1024;

/**
 * Writes a file from front to back, leaving holes, and hashes the bytes as they would be read back. Several blocks are being hashed and
 * written at any time: whoever puts one need not wait, but for the next block of the pool.
 */
export class HashingWriter {
  readonly #file: BlockSink;
  readonly #pool: BlockPool;
  readonly #sparse: boolean;
  readonly #hasher: Hasher;
  #bytes = 0;
  #durableBytes = 0;
  /** Everything that was put is written, though not yet on the disk. */
  #written: Promise<void> = Promise.resolve();
  /** Where the last checkpoint was begun, and whether it is still being made. */
  #checkpointBytes = 0;
  #isSyncing = false;
  #fail: (error: Error) => void = () => undefined;
  /** Rejects when bytes that were put cannot be kept. */
  readonly failed = new Promise<never>((_, reject) => (this.#fail = reject));

  constructor(file: BlockSink, pool: BlockPool, sparse: boolean) {
    this.#file = file;
    this.#pool = pool;
    this.#sparse = sparse;
    this.#hasher = new Hasher(pool.memory);
    this.failed.catch(() => undefined);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** So many bytes outlast a loss of power. */
  get durableBytes(): number {
    return this.#durableBytes;
  }

  /** Takes over what an earlier attempt wrote: the checkpoint says that it is on the disk, the hash is made again. */
  async keep(lengthBytes: number): Promise<void> {
    this.#durableBytes = this.#checkpointBytes = lengthBytes;
    while (this.#bytes < lengthBytes) {
      const block = await this.#pool.take();
      const wanted = block.subarray(0, lengthBytes - this.#bytes);
      const read = await this.#file.read(wanted, this.#bytes);
      if (read === 0)
        throw Object.assign(new Error('the partial file is shorter than its checkpoint'), { code: 'EIO' });
      this.#bytes += read;
      this.#giveBackAfter(this.#hasher.update(wanted.subarray(0, read)), block);
    }
  }

  /** The beginning of a block of the pool, which is the writer's from now on. */
  put(bytes: Buffer): void {
    const at = this.#bytes;
    this.#bytes += bytes.length;
    const writing = this.#write(bytes, at);
    this.#written = both(this.#written, writing);
    this.#written.catch(this.#fail);
    this.#giveBackAfter(both(writing, this.#hasher.update(bytes)), bytes);
    if (!this.#isSyncing && this.#bytes >= this.#checkpointBytes + CHECKPOINT_BYTES)
      this.#checkpoint().catch(this.#fail);
  }

  async end(): Promise<{ sizeBytes: number; sha256: string }> {
    await this.#written;
    // A hole at the end, and whatever a longer earlier attempt left behind it.
    await this.#file.endAt(this.#bytes);
    await this.#file.sync();
    return { sizeBytes: this.#bytes, sha256: await this.#hasher.digest() };
  }

  /** Beside the copy, which never waits for the disk. A slow disk has fewer of them. */
  async #checkpoint(): Promise<void> {
    const bytes = (this.#checkpointBytes = this.#bytes);
    this.#isSyncing = true;
    await this.#written;
    // In a hole the file ends before it, and nobody could tell it from one that lost what was behind.
    if ((await this.#file.sizeBytes()) < bytes) await this.#file.write(ZEROS.subarray(0, 1), bytes - 1);
    await this.#file.sync();
    this.#durableBytes = bytes;
    this.#isSyncing = false;
  }

  #giveBackAfter(used: Promise<void>, block: Buffer): void {
    used.then(() => {
      this.#pool.give(block);
    }, this.#fail);
  }

  async #write(bytes: Buffer, at: number): Promise<void> {
    const pieces = this.#sparse ? dataIn(bytes) : [{ from: 0, to: bytes.length }];
    await Promise.all(pieces.map(({ from, to }) => this.#file.write(bytes.subarray(from, to), at + from)));
  }
}

/** What lies between the holes. */
function dataIn(bytes: Buffer): readonly { readonly from: number; readonly to: number }[] {
  const pieces: { from: number; to: number }[] = [];
  let from = 0;
  for (let at = 0; at < bytes.length; at += HOLE_BYTES) {
    const end = Math.min(at + HOLE_BYTES, bytes.length);
    if (bytes.compare(ZEROS, 0, end - at, at, end) !== 0) continue;
    if (at > from) pieces.push({ from, to: at });
    from = end;
  }
  if (bytes.length > from) pieces.push({ from, to: bytes.length });
  return pieces;
}

async function both(one: Promise<void>, other: Promise<void>): Promise<void> {
  await Promise.all([one, other]);
}

/** @types/node does not know it yet. */
declare const WebAssembly: {
  readonly Memory: new (descriptor: { initial: number; maximum: number; shared: true }) => {
    readonly buffer: SharedArrayBuffer;
  };
};

/** Behind an NBD server every request is one over HTTPS, dear to begin: large ones. Larger than this fall out of the cores' caches. */
export const BLOCK_BYTES = 4 * 1024 * 1024;
/** Some are being read, some hashed, some written; more of them win nothing (docs/benchmarks.md). */
const BLOCKS = 8;
const PAGE_BYTES = 64 * 1024;

/**
 * The memory that a disk's bytes pass through, all there is of it: a source that is faster than its destination waits for a
 * block. Both threads see it, and it is WebAssembly's because that begins at a page, which direct I/O asks for and no other
 * memory of JavaScript does.
 */
export class BlockPool {
  readonly memory = new WebAssembly.Memory({
    initial: (BLOCKS * BLOCK_BYTES) / PAGE_BYTES,
    maximum: (BLOCKS * BLOCK_BYTES) / PAGE_BYTES,
    shared: true,
  }).buffer;
  readonly #free = Array.from({ length: BLOCKS }, (_, index) => this.#at(index * BLOCK_BYTES));
  readonly #waiting: ((block: Buffer) => void)[] = [];

  /** A whole block, the taker's until it is given back. */
  take(): Promise<Buffer> {
    const block = this.#free.pop();
    if (block !== undefined) return Promise.resolve(block);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Gives a block back; its filled beginning stands for the whole. */
  give(filled: Buffer): void {
    const block = this.#at(filled.byteOffset);
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(block);
    else next(block);
  }

  #at(offset: number): Buffer {
    return Buffer.from(this.memory, offset, BLOCK_BYTES);
  }
}

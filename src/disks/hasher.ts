import { Worker } from 'node:worker_threads';

/** What the hashing thread is told: the next bytes, as they lie in the shared memory, or that there are no more. */
export type HashOrder = { readonly offset: number; readonly length: number } | 'digest';

const THREAD = new URL('./hasherThread.js', import.meta.url);

/**
 * SHA-256 in a thread of its own: it is half of all the work there is, and must not keep the reader from reading. An error in the
 * thread is nobody's to handle and ends the process.
 */
export class Hasher {
  readonly #thread: Worker;
  /** One for each order, in their order, which is that of the answers. */
  readonly #waiting: ((answer: string) => void)[] = [];

  constructor(memory: SharedArrayBuffer) {
    this.#thread = new Worker(THREAD, { workerData: memory });
    this.#thread.on('message', (answer: string) => this.#waiting.shift()?.(answer));
  }

  /** Hashes what follows the last bytes; they are the hasher's until it resolves. */
  async update(bytes: Buffer): Promise<void> {
    await this.#ask({ offset: bytes.byteOffset, length: bytes.length });
  }

  /** Lower-case hex. */
  digest(): Promise<string> {
    return this.#ask('digest');
  }

  #ask(order: HashOrder): Promise<string> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#thread.postMessage(order);
    });
  }
}

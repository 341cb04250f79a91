import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

/** Direct I/O begins and ends at multiples of a sector; no disk has larger ones. */
const SECTOR_BYTES = 4096;

/** Where a copy's bytes go. */
export interface BlockSink {
  /** Rejects as soon as it can take no more, whether or not something is being written then; a file is not lost like that. */
  readonly lost?: Promise<never>;
  write(data: Buffer, at: number): Promise<void>;
  /** Some of what was written; none at the end. */
  read(target: Buffer, at: number): Promise<number>;
  sizeBytes(): Promise<number>;
  /** What was written before it outlasts a loss of power when it resolves, where that can be known. */
  sync(): Promise<void>;
  /** Everything was written, and it ends there: what lies behind goes, what is missing is a hole. */
  endAt(sizeBytes: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * A file that is written past the page cache where that can be (O_DIRECT): a disk's bytes are not read again, copying them into the cache
 * costs more than all else but the hash, and nothing is left for fdatasync to wait for. A file system that refuses, and whatever does
 * not fill whole sectors, goes through the cache.
 */
export class BlockFile implements BlockSink {
  readonly #cached: FileHandle;
  readonly #direct: FileHandle | undefined;
  #isDirect = true;

  private constructor(cached: FileHandle, direct: FileHandle | undefined) {
    this.#cached = cached;
    this.#direct = direct;
  }

  static async open(path: string): Promise<BlockFile> {
    const cached = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    const direct = await open(path, constants.O_RDWR | constants.O_DIRECT).catch(() => undefined);
    return new BlockFile(cached, direct);
  }

  async sizeBytes(): Promise<number> {
    return (await this.#cached.stat()).size;
  }

  async endAt(sizeBytes: number): Promise<void> {
    await this.#cached.truncate(sizeBytes);
  }

  /** What was written before it is on the disk when it resolves. */
  async sync(): Promise<void> {
    await this.#cached.datasync();
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await Promise.all([this.#cached.close(), this.#direct?.close()]);
  }

  async write(data: Buffer, at: number): Promise<void> {
    for (let written = 0; written < data.length;) {
      const rest = data.subarray(written);
      written += await this.#through(at + written, rest.length, async (file) => {
        return (await file.write(rest, 0, rest.length, at + written)).bytesWritten;
      });
    }
  }

  /** Reads some bytes; none at the end of the file. */
  read(target: Buffer, at: number): Promise<number> {
    return this.#through(at, target.length, async (file) => {
      return (await file.read(target, 0, target.length, at)).bytesRead;
    });
  }

  async #through(at: number, length: number, io: (file: FileHandle) => Promise<number>): Promise<number> {
    const isWhole = at % SECTOR_BYTES === 0 && length % SECTOR_BYTES === 0;
    if (this.#direct === undefined || !this.#isDirect || !isWhole) return io(this.#cached);
    try {
      return await io(this.#direct);
    } catch (error) {
      // Not every file system that lets it be opened so lets it be written so.
      if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
      this.#isDirect = false;
      return io(this.#cached);
    }
  }
}

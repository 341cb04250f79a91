import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_MS = 50;
/** Of ext4's superblock: its incompatible features, and of those that its journal would be replayed, as while it is mounted. */
const INCOMPAT_AT = 1024 + 0x60;
const NEEDS_RECOVERY = 0x4;

/** Looks again and again whether the file system on a raw disk is frozen: only then its superblock says that it is clean. */
export class FreezeWatch {
  #isOver = false;
  readonly #longestMs: Promise<number>;

  constructor(disk: string) {
    this.#longestMs = this.#look(disk);
  }

  /** The longest time that it was seen frozen at a stretch. */
  async stop(): Promise<number> {
    this.#isOver = true;
    return this.#longestMs;
  }

  async #look(disk: string): Promise<number> {
    const handle = await open(disk);
    let since: number | undefined;
    let longestMs = 0;
    try {
      while (!this.#isOver) {
        const { buffer } = await handle.read(Buffer.alloc(4), 0, 4, INCOMPAT_AT);
        const isFrozen = (buffer.readUInt32LE() & NEEDS_RECOVERY) === 0;
        since = isFrozen ? (since ?? Date.now()) : undefined;
        if (since !== undefined) longestMs = Math.max(longestMs, Date.now() - since);
        await sleep(LOOK_MS);
      }
    } finally {
      await handle.close();
    }
    return longestMs;
  }
}

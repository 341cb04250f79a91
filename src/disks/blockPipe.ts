import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { BlockSink } from './blockFile.js';
import { CopyFailure } from './copyFailure.js';
import { exitOf, spawnTethered, tailOf } from '../system/program.js';
import type { SourceProgram } from '../system/sourceProgram.js';

/**
 * A file that a program keeps which is written to, from front to back: one on another machine. The program says something on its
 * standard output as soon as it takes bytes, and ends well when all of them are on its disk.
 */
export class BlockPipe implements BlockSink {
  readonly lost: Promise<never>;
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | string>;
  readonly #tail: () => string;
  #hasBegun = false;
  #bytes = 0;

  private constructor(program: SourceProgram) {
    this.#child = spawnTethered(program.program, program.args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#tail = tailOf(this.#child);
    this.#ended = exitOf(this.#child);
    this.#ended.catch(() => undefined);
    // A slow source has nothing to write for long, and would find out as late.
    this.lost = this.#ended.then((exit) => (exit === 0 ? new Promise<never>(() => undefined) : this.#fail()));
    this.lost.catch(() => undefined);
    // What it means, the program's end says.
    this.#child.stdin?.on('error', () => undefined);
  }

  /** Waits until the program is there to take bytes. @throws CopyFailure */
  static async open(program: SourceProgram): Promise<BlockPipe> {
    const pipe = new BlockPipe(program);
    const { stdout } = pipe.#child;
    if (stdout !== null) await Promise.race([once(stdout, 'data'), pipe.#ended.then(() => pipe.#fail())]);
    pipe.#hasBegun = true;
    return pipe;
  }

  sizeBytes(): Promise<number> {
    return Promise.resolve(this.#bytes);
  }

  /** Nothing can be known to outlast a loss of power before the end. */
  sync(): Promise<void> {
    return Promise.resolve();
  }

  /** In the order in which it is called. @throws CopyFailure */
  async write(data: Buffer): Promise<void> {
    this.#bytes += data.length;
    const isTaken = await new Promise<boolean>((resolve) => {
      this.#child.stdin?.write(data, (error) => {
        resolve(error == null);
      });
    });
    if (!isTaken) await this.#fail();
  }

  /** What it took cannot be read again: it is never gone on with. */
  read(): Promise<number> {
    return Promise.resolve(0);
  }

  /** Nothing comes behind what was written. @throws CopyFailure */
  async endAt(): Promise<void> {
    this.#child.stdin?.end();
    if ((await this.#ended) !== 0) await this.#fail();
  }

  async close(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended.catch(() => undefined);
  }

  async #fail(): Promise<never> {
    const exit = await this.#ended.catch((error: unknown) => String(error));
    throw new CopyFailure({ kind: 'unsent', hasBegun: this.#hasBegun, exit, tail: this.#tail() });
  }
}

import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { setImmediate as nextLook } from 'node:timers/promises';
import { EverthawError } from '../../../domain/errors.js';
import { exitOf, spawnTethered } from '../../../system/program.js';
import { SSH_FAILED, sshFault } from '../../../system/sshFault.js';
import type { SourceProgram } from '../../../system/sourceProgram.js';

/** How long it stays connected with nothing to do: whoever opened it may forget it, or be asked by a step that outlives its run. */
const IDLE_MS = 5000;

/** What one command line said on standard output, and what on standard error: `error: …` where it failed. */
export interface Answer {
  readonly output: string;
  readonly said: string;
}

/**
 * One virsh that stays connected and takes command after command: to start one and connect costs twenty times what asking does,
 * and over ssh a hundred times. It answers one question at a time.
 */
export class VirshSession {
  readonly #child: ChildProcess;
  readonly #where: string;
  #output = '';
  #said = '';
  #whenTold: () => void = () => undefined;
  #ended: number | string | undefined;
  #isClosed = false;
  #idle: NodeJS.Timeout | undefined;

  /** `where` it runs, for errors. */
  constructor({ program, args }: Pick<SourceProgram, 'program' | 'args'>, where: string) {
    this.#where = where;
    this.#child = spawnTethered(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
      this.#whenTold();
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#said += text));
    this.#child.stdin?.on('error', () => undefined);
    void exitOf(this.#child)
      .catch(String)
      .then((exit) => {
        this.#ended = exit;
        this.#whenTold();
      });
    this.rest();
  }

  get isUsable(): boolean {
    return this.#ended === undefined && !this.#isClosed;
  }

  /**
   * @param line commands without a line end, separated by semicolons
   * @throws EverthawError HostUnreachable where no answer comes; the session is of no use then
   */
  async ask(what: string, line: string, timeoutMs: number, signal?: AbortSignal): Promise<Answer> {
    signal?.throwIfAborted();
    this.#output = '';
    this.#said = '';
    this.#keep();
    const border = randomUUID();
    // virsh repeats what it reads, but takes the quotes out of what it prints.
    const mark = `echo "${border.slice(0, 8)}"${border.slice(8)}`;
    const late: { outcome?: string } = {};
    const timer = setTimeout(() => {
      late.outcome = `gave no answer within ${timeoutMs / 1000} s`;
      this.close();
    }, timeoutMs);
    const abort = (): void => {
      this.close();
    };
    signal?.addEventListener('abort', abort, { once: true });
    try {
      this.#child.stdin?.write(`${mark}; ${line}; ${mark}\n`);
      while (this.#ended === undefined && this.#output.split(border).length < 3)
        await new Promise<void>((resolve) => (this.#whenTold = resolve));
      signal?.throwIfAborted();
      // What it said before it printed the mark is in the pipe by now: two looks of the event loop are sure to have read it.
      await nextLook();
      await nextLook();
      const parts = this.#output.split(border);
      if (parts.length < 3) throw this.#lost(what, late.outcome ?? `ended with ${String(this.#ended)}`);
      return { output: (parts[1] ?? '').replace(/^\n/, ''), said: this.#said };
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      this.rest();
    }
  }

  /** Lets this process end although the session is open, and the session if nobody asks it for a while. */
  rest(): void {
    this.#each('unref');
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      this.close();
    }, IDLE_MS).unref();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#idle);
    this.#child.kill('SIGKILL');
  }

  /** Closes it and returns when it is gone. */
  async end(): Promise<void> {
    this.#keep();
    this.close();
    while (this.#ended === undefined) await new Promise<void>((resolve) => (this.#whenTold = resolve));
  }

  #keep(): void {
    clearTimeout(this.#idle);
    this.#each('ref');
  }

  #each(what: 'ref' | 'unref'): void {
    this.#child[what]();
    for (const stream of this.#child.stdio) {
      const handle = stream as { ref?: () => void; unref?: () => void } | null | undefined;
      handle?.[what]?.();
    }
  }

  #lost(what: string, outcome: string): EverthawError {
    if (this.#ended === SSH_FAILED) return sshFault(`${what} on ${this.#where}`, this.#said);
    const said = this.#said.replace(/^error: /gm, '').trim();
    return new EverthawError({
      code: 'HostUnreachable',
      what,
      why: said === '' ? `virsh ${outcome}` : said,
      hint: 'see that the hypervisor answers: virsh list',
      retry: 'again',
    });
  }
}

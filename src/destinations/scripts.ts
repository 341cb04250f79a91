import { EverthawError } from '../domain/errors.js';
import { destinationFull, saysFull } from '../disks/writeFault.js';
import type { CommandOptions, HostShell } from '../system/hostShell.js';

/** What reads or syncs a disk's file takes as long as that does: a connection that breaks is seen by ssh. */
const LONG_MS = 24 * 3600_000;

/** What is made there is for its owner alone; messages are in the language that is understood here. */
export const PRELUDE = 'set -e; umask 077; LC_ALL=C; export LC_ALL; ';

/** Shell scripts where backups are, here or on another machine. Their arguments are quoted, and never part of a script's text. */
export class Scripts {
  readonly #shell: HostShell;

  constructor(shell: HostShell) {
    this.#shell = shell;
  }

  /** What a script prints. `what` it does, for errors. @throws EverthawError */
  async run(what: string, script: string, args: readonly string[], stdin?: Buffer): Promise<string> {
    return this.#run(what, script, args, stdin === undefined ? {} : { stdin });
  }

  /** One that takes as long as it takes. */
  async runLong(
    what: string,
    script: string,
    args: readonly string[],
    signal?: AbortSignal,
    stdin?: Buffer,
  ): Promise<string> {
    return this.#run(what, script, args, {
      timeoutMs: LONG_MS,
      ...(signal === undefined ? {} : { signal }),
      ...(stdin === undefined ? {} : { stdin }),
    });
  }

  async #run(
    what: string,
    script: string,
    args: readonly string[],
    options: CommandOptions,
  ): Promise<string> {
    const { exit, stdout, stderr } = await this.#ask(what, script, args, options);
    if (exit === 0) return stdout;
    if (saysFull(stderr)) throw destinationFull(what);
    throw new EverthawError({
      code: 'ProgramFailed',
      what,
      why: stderr.trim() === '' ? `the program there ended with ${exit}` : stderr.trim(),
      hint: `look at it on ${this.#shell.where}`,
      retry: 'again',
    });
  }

  async #ask(what: string, script: string, args: readonly string[], options: CommandOptions) {
    try {
      return await this.#shell.run('sh', ['-c', PRELUDE + script, 'everthaw', ...args], options);
    } catch (error) {
      if (!(error instanceof EverthawError)) throw error;
      const { code, why, hint, retry } = error;
      throw new EverthawError({ code, what, why: `${this.#shell.where}: ${why}`, hint, retry, cause: error });
    }
  }
}

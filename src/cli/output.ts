import { EverthawError } from '../domain/errors.js';

/** Exit codes of every command (F11). */
export const EXIT = { done: 0, failed: 1, usage: 2, partial: 3, interrupted: 130 } as const;

/** How a command says things: for people, or one JSON object a line for programs. */
export class Output {
  readonly json: boolean;
  readonly #console: Pick<Console, 'log'>;

  /** `beside`: all but the last word goes to standard error, where a script reads standard output. */
  constructor(json: boolean, beside?: 'beside') {
    this.json = json;
    this.#console = beside === undefined ? console : { log: console.error };
  }

  /** A line for people; programs get nothing. */
  say(line: string): void {
    if (!this.json) this.#console.log(line);
  }

  /** A result: for people as lines, for programs as an object. */
  result(object: object, lines: readonly string[]): void {
    if (this.json) this.#console.log(JSON.stringify(object));
    else for (const line of lines) this.#console.log(line);
  }

  /** Tells an error and gives its exit code. */
  error(error: unknown): number {
    const message = error instanceof Error ? error.message : String(error);
    const code = error instanceof EverthawError ? error.code : 'UnexpectedError';
    if (this.json) console.log(JSON.stringify({ state: 'failed', code, message }));
    else console.error(`everthaw: ${message}`);
    return code === 'WrongUsage' ? EXIT.usage : EXIT.failed;
  }
}

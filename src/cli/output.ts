import { EverthawError } from '../domain/errors.js';

/** Exit codes of every command (F11). */
export const EXIT = { done: 0, failed: 1, usage: 2, partial: 3, interrupted: 130 } as const;

/** What all that is said is about, where it is about one of several VMs. */
export interface About {
  /** In every object, as `vm`. */
  readonly vm: string;
  /** Before every line, where lines of several are mixed. */
  readonly prefix: string;
  /** Is called before every line: what stands on the terminal makes room. */
  readonly makeRoom: () => void;
}

/** How a command says things: for people, or one JSON object a line for programs. */
export class Output {
  readonly json: boolean;
  readonly #console: Pick<Console, 'log'>;
  readonly #about: About | undefined;

  /** `beside`: all but the last word goes to standard error, where a script reads standard output. */
  constructor(json: boolean, beside?: 'beside', about?: About) {
    this.json = json;
    this.#console = beside === undefined ? console : { log: console.error };
    this.#about = about;
  }

  /** A line for people; programs get nothing. */
  say(line: string): void {
    if (!this.json) this.#console.log(this.#lineOf(line));
  }

  /** A result: for people as lines, for programs as an object. */
  result(object: object, lines: readonly string[]): void {
    if (this.json) this.#console.log(this.#jsonOf(object));
    else for (const line of lines) this.#console.log(this.#lineOf(line));
  }

  /** A line for people beside what is said; programs get nothing. */
  note(line: string): void {
    if (!this.json) console.error(`everthaw: ${this.#lineOf(line)}`);
  }

  /** Tells an error and gives its exit code. */
  error(error: unknown): number {
    const message = error instanceof Error ? error.message : String(error);
    const code = error instanceof EverthawError ? error.code : 'UnexpectedError';
    if (this.json) console.log(this.#jsonOf({ state: 'failed', code, message }));
    else console.error(`everthaw: ${this.#lineOf(message)}`);
    return code === 'WrongUsage' ? EXIT.usage : EXIT.failed;
  }

  #lineOf(line: string): string {
    this.#about?.makeRoom();
    return `${this.#about?.prefix ?? ''}${line}`;
  }

  #jsonOf(object: object): string {
    const about = this.#about === undefined ? {} : { vm: this.#about.vm };
    return JSON.stringify({ ...about, ...object });
  }
}

import type { Output } from './output.js';
import { readKey } from './readKey.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** What is asked, and what is done where one of these keys answers it. Beside them `s` stops watching, and `w` goes on. */
export interface Choices {
  readonly question: string;
  readonly keys: Readonly<Record<string, () => Promise<void>>>;
}

/** What is watched, and can be interrupted. */
export interface Interruptible {
  /** `undefined` where there is nothing to choose any more. */
  choices(): Choices | undefined;
  /** Makes room on the terminal. */
  pause(): void;
  /** Tells what goes on with nobody watching, and ends the program. */
  leave(): void | Promise<void>;
}

/**
 * What Ctrl-C does while something is watched. On a terminal the first one asks, and one more while asked stops watching; elsewhere it
 * only stops watching, for who ends a program means that program, and a run is ended by its own command.
 */
export class Interruption {
  readonly #watched: Interruptible;
  readonly #output: Output;
  readonly #ended = new AbortController();
  #asked: Promise<void> | undefined;

  constructor(watched: Interruptible, output: Output) {
    this.#watched = watched;
    this.#output = output;
    for (const signal of SIGNALS) process.on(signal, this.#interrupted);
  }

  /** Whether the terminal is the question's now. */
  get isAsking(): boolean {
    return this.#asked !== undefined;
  }

  /** Waits until no question stands. */
  async answered(): Promise<void> {
    await this.#asked;
  }

  /** There is nothing to interrupt any more: a question that stands is moot. */
  end(): void {
    for (const signal of SIGNALS) process.off(signal, this.#interrupted);
    this.#ended.abort();
    this.#asked = undefined;
  }

  readonly #interrupted = (signal: NodeJS.Signals): void => {
    const mayAsk = signal === 'SIGINT' && !this.isAsking && this.#canAsk();
    const choices = mayAsk ? this.#watched.choices() : undefined;
    if (choices === undefined) void this.#watched.leave();
    else this.#asked = this.#ask(choices).finally(() => (this.#asked = undefined));
  };

  #canAsk(): boolean {
    return process.stdin.isTTY && process.stderr.isTTY && !this.#output.json;
  }

  async #ask({ question, keys }: Choices): Promise<void> {
    this.#watched.pause();
    process.stderr.write(question);
    const key = await readKey([...Object.keys(keys), 's', 'w'], this.#ended.signal);
    process.stderr.write('\n');
    if (key === undefined || key === 'w') return;
    const chosen = keys[key];
    await (chosen === undefined ? this.#watched.leave() : chosen());
  }
}

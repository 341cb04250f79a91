import type { WorkflowHandle } from '@temporalio/client';
import { isErrorWithCode, messageOf } from '../domain/errors.js';
import { EXIT, type Output } from './output.js';
import { doneSteps } from './progress/doneSteps.js';
import { letGoIn } from './progress/letGo.js';
import type { View } from './progress/view.js';
import { readKey } from './readKey.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
const QUESTION = '[c]ancel the run, [s]top watching (it goes on), or go on [w]atching? ';

/**
 * What Ctrl-C does while a run is watched. On a terminal the first one asks, and one more while asked stops watching; elsewhere it
 * only stops watching, for who ends a program means that program, and a run is ended by its own command.
 */
export class Interruption {
  readonly #handle: WorkflowHandle;
  readonly #view: View;
  readonly #output: Output;
  readonly #ended = new AbortController();
  #state: 'watching' | 'asking' | 'cancelling' = 'watching';

  constructor(handle: WorkflowHandle, view: View, output: Output) {
    this.#handle = handle;
    this.#view = view;
    this.#output = output;
    for (const signal of SIGNALS) process.on(signal, this.#interrupted);
  }

  /** Whether the terminal is the question's now. */
  get isAsking(): boolean {
    return this.#state === 'asking';
  }

  /** There is nothing to interrupt any more: a question that stands is moot. */
  end(): void {
    for (const signal of SIGNALS) process.off(signal, this.#interrupted);
    this.#ended.abort();
    if (this.#state === 'asking') this.#state = 'watching';
  }

  endedWell(): void {
    if (this.#state === 'cancelling') this.#output.say('the run was done before it could be cancelled');
  }

  /** Where it was cancelled here, tells what was let go and ends the program. */
  async endedBadly(error: unknown): Promise<void> {
    if (this.#state !== 'cancelling') return;
    const letGo = letGoIn(await doneSteps(this.#handle).catch(() => []));
    if (!isErrorWithCode(error, 'Cancelled')) this.#output.error(error);
    console.error(
      `everthaw: the run is cancelled. Let go, and seen to be gone: ${letGo.length === 0 ? 'it held nothing' : letGo.join(', ')}`,
    );
    process.exit(EXIT.interrupted);
  }

  readonly #interrupted = (signal: NodeJS.Signals): void => {
    if (signal === 'SIGINT' && this.#state === 'watching' && this.#canAsk()) void this.#ask();
    else this.#leave();
  };

  #canAsk(): boolean {
    return process.stdin.isTTY && process.stderr.isTTY && !this.#output.json;
  }

  async #ask(): Promise<void> {
    this.#state = 'asking';
    this.#view.pause();
    process.stderr.write(QUESTION);
    const key = await readKey(['c', 's', 'w'], this.#ended.signal);
    process.stderr.write('\n');
    if (key === undefined) return;
    if (key === 'c') await this.#cancel();
    else if (key === 'w') this.#state = 'watching';
    else this.#leave();
  }

  async #cancel(): Promise<void> {
    try {
      await this.#handle.cancel();
      console.error('everthaw: cancelled; waiting until it has let go of everything');
      this.#state = 'cancelling';
    } catch (error) {
      console.error(`everthaw: it could not be cancelled: ${messageOf(error)}`);
      if (this.#state === 'asking') this.#state = 'watching';
    }
  }

  #leave(): never {
    this.#view.pause();
    console.error(
      this.#state === 'cancelling'
        ? '\neverthaw: stopped waiting; the run lets go by itself. See it with everthaw status'
        : '\neverthaw: stopped watching; the run goes on. Follow it with everthaw watch, end it with everthaw cancel',
    );
    process.exit(EXIT.interrupted);
  }
}

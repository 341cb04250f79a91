import type { WorkflowHandle } from '@temporalio/client';
import { isErrorWithCode, messageOf } from '../domain/errors.js';
import { Interruption, type Choices, type Interruptible } from './interruption.js';
import { EXIT, type Output } from './output.js';
import { tellLetGo } from './progress/letGo.js';
import { viewFor, type View } from './progress/view.js';
import type { Watch } from './watch.js';

const QUESTION = '[c]ancel the run, [s]top watching (it goes on), or go on [w]atching? ';

/** A run that is watched alone: who cancels it ends the program with it. */
export class LoneRun implements Watch, Interruptible {
  readonly view: View;
  readonly #handle: WorkflowHandle;
  readonly #output: Output;
  readonly #interruption: Interruption;
  #isCancelled = false;

  constructor(handle: WorkflowHandle, output: Output) {
    this.view = viewFor(output);
    this.#handle = handle;
    this.#output = output;
    this.#interruption = new Interruption(this, output);
  }

  get isAsking(): boolean {
    return this.#interruption.isAsking;
  }

  end(): void {
    this.#interruption.end();
  }

  endedWell(): void {
    if (this.#isCancelled) this.#output.say('the run was done before it could be cancelled');
  }

  /** Where it was cancelled here, tells what was let go and ends the program. */
  async endedBadly(error: unknown): Promise<void> {
    if (!this.#isCancelled) return;
    const letGo = await tellLetGo(this.#handle);
    if (!isErrorWithCode(error, 'Cancelled')) this.#output.error(error);
    console.error(`everthaw: the run is cancelled. ${letGo}`);
    process.exit(EXIT.interrupted);
  }

  choices(): Choices | undefined {
    return this.#isCancelled ? undefined : { question: QUESTION, keys: { c: () => this.#cancel() } };
  }

  pause(): void {
    this.view.pause();
  }

  leave(): never {
    this.view.pause();
    console.error(
      this.#isCancelled
        ? '\neverthaw: stopped waiting; the run lets go by itself. See it with everthaw status'
        : '\neverthaw: stopped watching; the run goes on. Follow it with everthaw watch, end it with everthaw cancel',
    );
    process.exit(EXIT.interrupted);
  }

  async #cancel(): Promise<void> {
    try {
      await this.#handle.cancel();
      console.error('everthaw: cancelled; waiting until it has let go of everything');
      this.#isCancelled = true;
    } catch (error) {
      console.error(`everthaw: it could not be cancelled: ${messageOf(error)}`);
    }
  }
}

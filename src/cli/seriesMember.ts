import type { WorkflowHandle } from '@temporalio/client';
import { isErrorWithCode, messageOf } from '../domain/errors.js';
import type { Output } from './output.js';
import { tellLetGo } from './progress/letGo.js';
import type { View } from './progress/view.js';
import type { Follower } from './startAndFollow.js';
import type { Watch } from './watch.js';

/** What a member needs to know of its series. */
export interface Membership {
  /** Whether the terminal is a question's now. */
  readonly isAsking: boolean;
  /** Whether all of it is to end. */
  readonly isCancelled: boolean;
}

/** One VM of a series, from before its run is started until that has ended. */
export class SeriesMember implements Follower, Watch {
  readonly name: string;
  readonly output: Output;
  readonly view: View;
  readonly #series: Membership;
  #handle: WorkflowHandle | undefined;
  #state: 'starting' | 'living' | 'ended' = 'starting';
  #isCancelled = false;
  #settle: () => void = () => undefined;
  /** Resolves when it is known whether its run was started. */
  readonly settled = new Promise<void>((resolve) => (this.#settle = resolve));

  constructor(series: Membership, name: string, output: Output, view: View) {
    this.#series = series;
    this.name = name;
    this.output = output;
    this.view = view;
  }

  get state(): 'starting' | 'living' | 'ended' {
    return this.#state;
  }

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  get isAsking(): boolean {
    return this.#series.isAsking;
  }

  readonly watch = (handle: WorkflowHandle): Watch => {
    this.#handle = handle;
    this.#state = 'living';
    this.#settle();
    if (this.#series.isCancelled) void this.cancel();
    return this;
  };

  end(): void {
    this.#state = 'ended';
    this.#settle();
  }

  endedWell(): void {
    if (this.#isCancelled) this.output.say('the run was done before it could be cancelled');
  }

  /** Where it was cancelled here, tells what was let go. */
  async endedBadly(error: unknown): Promise<void> {
    if (this.#handle === undefined || !this.isOwnEnd(error)) return;
    const letGo = await tellLetGo(this.#handle);
    this.output.note(`the run of ${JSON.stringify(this.name)} is cancelled. ${letGo}`);
  }

  /** Whether it failed because it was cancelled here, which {@link endedBadly} told. */
  isOwnEnd(error: unknown): boolean {
    return this.#isCancelled && isErrorWithCode(error, 'Cancelled');
  }

  /** Cancels its run, where that is living. */
  async cancel(): Promise<void> {
    if (this.#state !== 'living' || this.#isCancelled) return;
    this.#isCancelled = true;
    try {
      await this.#handle?.cancel();
      this.output.note('cancelled; waiting until it has let go of everything');
    } catch (error) {
      this.#isCancelled = false;
      this.output.note(`it could not be cancelled: ${messageOf(error)}`);
    }
  }
}

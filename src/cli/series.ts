import { printable } from '../domain/printable.js';
import { mapAtMost } from '../system/mapAtMost.js';
import { Interruption, type Choices, type Interruptible } from './interruption.js';
import { EXIT, Output } from './output.js';
import { Screen } from './progress/screen.js';
import { viewFor } from './progress/view.js';
import { SeriesMember, type Membership } from './seriesMember.js';

/** What became of one VM of a series. */
export type SeriesOutcome = 'done' | 'failed' | 'not begun';

/** As many names as are told at once. */
const MOST_NAMES = 10;

/** Runs of many VMs, so many at once, watched together; an interruption asks which of them it is to end. */
export class Series implements Interruptible, Membership {
  readonly #output: Output;
  readonly #parallel: number;
  readonly #screen = new Screen();
  readonly #interruption: Interruption;
  readonly #begun = new Set<SeriesMember>();
  readonly #waiting: Set<string>;
  #isEnding = false;
  #isLeaving = false;
  #isCancelled = false;

  /** From now on the program is interrupted by what is asked here. `names`: each of another. `parallel`: at most 9, for each has a key. */
  constructor(output: Output, names: readonly string[], parallel: number) {
    this.#output = output;
    this.#parallel = parallel;
    this.#waiting = new Set(names);
    this.#interruption = new Interruption(this, output);
  }

  get isAsking(): boolean {
    return this.#interruption.isAsking;
  }

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  /** Does the work for each; one that fails is told, and holds up no other. The outcomes are in the names' order. */
  async each(work: (name: string, member: SeriesMember) => Promise<void>): Promise<readonly SeriesOutcome[]> {
    try {
      return await mapAtMost(this.#parallel, [...this.#waiting], (name) => this.#one(name, work));
    } finally {
      this.#interruption.end();
    }
  }

  async #one(
    name: string,
    work: (name: string, member: SeriesMember) => Promise<void>,
  ): Promise<SeriesOutcome> {
    // It may be answered so that this one is not to begin.
    await this.#interruption.answered();
    if (this.#isEnding) return 'not begun';
    this.#waiting.delete(name);
    const member = this.#memberOf(name);
    this.#begun.add(member);
    try {
      await work(name, member);
      return 'done';
    } catch (error) {
      if (!member.isOwnEnd(error)) member.output.error(error);
      return 'failed';
    } finally {
      member.end();
      this.#begun.delete(member);
    }
  }

  #memberOf(name: string): SeriesMember {
    const isMixed = this.#parallel > 1;
    if (!isMixed) this.#output.say(`== ${printable(name)}`);
    const output = new Output(this.#output.json, undefined, {
      vm: name,
      prefix: isMixed ? `${printable(name)}: ` : '',
      makeRoom: () => {
        this.#screen.pause();
      },
    });
    return new SeriesMember(this, name, output, viewFor(output, this.#screen, isMixed ? name : undefined));
  }

  choices(): Choices | undefined {
    if (this.#isCancelled || this.#isLeaving) return undefined;
    const living = this.#members('living').filter((member) => !member.isCancelled);
    const rest = this.#waiting.size > 0 ? ' and go on with the rest' : '';
    const [only] = living;
    const isOne = only !== undefined && living.length === 1;
    const keyed = living.map((member, index) => [isOne ? 'c' : String(index + 1), member] as const);
    const list = isOne ? '' : keyed.map(([key, { name }]) => `  [${key}] ${listed([name])}\n`).join('');
    const ofOne = isOne
      ? `[c]ancel the run of ${listed([only.name])}${rest}, `
      : living.length > 1
        ? `cancel one of these [1-${living.length}]${rest}, `
        : '';
    return {
      question: `${list}${ofOne}cancel [a]ll and end the series, [s]top watching (what runs goes on, nothing else is begun), or go on [w]atching? `,
      keys: {
        ...Object.fromEntries(keyed.map(([key, member]) => [key, () => this.#cancelOne(member)])),
        a: () => this.#cancelAll(),
      },
    };
  }

  pause(): void {
    this.#screen.pause();
  }

  /** Waits a moment until it is known of each whether it runs; who interrupts that, too, is told that it is not. */
  async leave(): Promise<void> {
    const isImpatient = this.#isLeaving;
    this.#isLeaving = true;
    this.#isEnding = true;
    if (!isImpatient) await Promise.all([...this.#begun].map(({ settled }) => settled));
    this.#screen.pause();
    for (const line of this.#farewell()) console.error(line);
    process.exit(EXIT.interrupted);
  }

  #farewell(): readonly string[] {
    const [living, starting] = [this.#members('living'), this.#members('starting')].map((members) =>
      members.map(({ name }) => name),
    ) as [string[], string[]];
    const goesOn =
      living.length === 0
        ? 'stopped: no run of the series is living'
        : this.#isCancelled
          ? `stopped waiting; these runs let go by themselves: ${listed(living)}. See them with everthaw status`
          : `stopped watching; these runs go on: ${listed(living)}. Follow one with everthaw watch, end it with everthaw cancel`;
    return [
      `\neverthaw: ${goesOn}`,
      ...(starting.length === 0
        ? []
        : [
            `everthaw: these were being started: ${listed(starting)}. Whether they run, everthaw status tells`,
          ]),
      ...(this.#waiting.size === 0 ? [] : [`everthaw: not begun: ${listed([...this.#waiting])}`]),
    ];
  }

  async #cancelOne(member: SeriesMember): Promise<void> {
    if (member.state === 'ended') member.output.note('the run was done before it could be cancelled');
    else await member.cancel();
  }

  async #cancelAll(): Promise<void> {
    this.#isEnding = true;
    this.#isCancelled = true;
    await Promise.all([...this.#begun].map((member) => member.cancel()));
  }

  #members(state: SeriesMember['state']): readonly SeriesMember[] {
    return [...this.#begun].filter((member) => member.state === state);
  }
}

function listed(names: readonly string[]): string {
  const some = names.slice(0, MOST_NAMES).map((name) => printable(JSON.stringify(name)));
  const more = names.length - some.length;
  return `${some.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

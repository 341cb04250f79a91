import { printable } from '../../domain/printable.js';
import type { Output } from '../output.js';
import { Rate } from './rate.js';
import { Screen } from './screen.js';
import type { Sight } from './sight.js';
import { trackLine } from './trackLine.js';
import { Tracks } from './tracks.js';
import type { View } from './view.js';

/** Lines of a terminal that are written again and again: what the run does, a bar for each disk, and one for all of them. */
export class Bars implements View {
  readonly #output: Output;
  readonly #tracks = new Tracks();
  readonly #rates = new Map<string, Rate>();
  readonly #told = new Set<string>();
  readonly #screen: Screen;
  readonly #brief: string | undefined;

  /** `brief`: the VM's name, where several share the screen: each has one line, which begins with it. */
  constructor(output: Output, screen = new Screen(), brief?: string) {
    this.#output = output;
    this.#screen = screen;
    this.#brief = brief;
  }

  show(sight: Sight): void {
    this.#tracks.see(sight);
    const news = sight.living.flatMap(({ type, held, trouble }) => [
      ...(held === undefined ? [] : [held]),
      ...(trouble === undefined ? [] : [`${type}: ${trouble}`]),
    ]);
    const untold = news.filter((line) => !this.#told.has(line));
    if (untold.length > 0) this.pause();
    for (const line of untold) {
      this.#told.add(line);
      this.#output.say(printable(line));
    }
    const lines = this.#lines();
    this.#screen.draw(
      this,
      this.#brief === undefined
        ? [stateOf(sight), ...lines]
        : [`${printable(this.#brief)}: ${lines.at(-1) ?? stateOf(sight)}`],
    );
  }

  pause(): void {
    this.#screen.pause();
  }

  end(): void {
    this.#screen.drop(this);
    for (const line of this.#lines()) this.#output.say(line);
  }

  #lines(): readonly string[] {
    const { parts, whole } = this.#tracks;
    return [...parts, ...(whole === undefined ? [] : [whole])].map((track) => {
      const rate = this.#rates.get(track.what) ?? new Rate();
      this.#rates.set(track.what, rate);
      rate.see(track.bytes, Date.now());
      return trackLine(track, rate.bytesPerSecond);
    });
  }
}

/** What the run does; what it is held by, or tries again, was told in full. */
function stateOf({ living }: Sight): string {
  const state = living.map(({ type, held, trouble }) =>
    held !== undefined ? `${type} is held` : trouble !== undefined ? `${type} is tried again` : type,
  );
  return `${[...new Set(state)].join(', ') || 'between two steps'} …`;
}

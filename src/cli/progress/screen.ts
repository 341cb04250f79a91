import { MultiBar, type SingleBar } from 'cli-progress';

/** The lines at a terminal's end that are written again and again, of one part or of several below each other. */
export class Screen {
  readonly #parts = new Map<object, readonly string[]>();
  #drawn: { readonly bars: MultiBar; readonly lines: SingleBar[] } | undefined;

  /** Shows a part's lines in the place of those that it had. */
  draw(part: object, lines: readonly string[]): void {
    this.#parts.set(part, lines);
    this.#drawn ??= {
      bars: new MultiBar({
        format: (_options, _params, { line }: { line: string }) => line,
        // Where it was looked whether there is a terminal.
        stream: process.stdout,
        hideCursor: true,
        clearOnComplete: true,
      }),
      lines: [],
    };
    const { bars, lines: shown } = this.#drawn;
    const all = [...this.#parts.values()].flat();
    while (shown.length < all.length) shown.push(bars.create(1, 0, { line: '' }));
    shown.forEach((bar, index) => {
      bar.update({ line: all[index] ?? '' });
    });
  }

  /** Makes room for what others want to say; the next {@link draw} goes on. */
  pause(): void {
    this.#drawn?.bars.stop();
    this.#drawn = undefined;
  }

  /** A part has ended. */
  drop(part: object): void {
    this.#parts.delete(part);
    this.pause();
  }
}

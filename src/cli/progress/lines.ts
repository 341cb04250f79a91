import { formatBytes } from '../../domain/format.js';
import type { Output } from '../output.js';
import type { Sight } from './sight.js';
import type { View } from './view.js';

/** A line for each step, for each tenth of what it moves, and for trouble; JSON lines for programs. */
export class Lines implements View {
  readonly #output: Output;
  readonly #said = new Set<string>();

  constructor(output: Output) {
    this.#output = output;
  }

  show({ living }: Sight): void {
    for (const { id, type, progress, held, trouble } of living) {
      this.#once(id, { step: type }, `${type} …`);
      if (held !== undefined) this.#once(`${id} ${held}`, { step: type, held }, held);
      if (trouble !== undefined)
        this.#once(`${id} ${trouble}`, { step: type, trouble }, `${type}: ${trouble}`);
      if (progress === undefined || progress.totalBytes === 0) continue;
      const tenth = Math.floor((progress.bytes * 10) / progress.totalBytes);
      const of = progress.isGuess === undefined ? 'of' : 'so far, compressed, of a disk of';
      const text = `${progress.what}: ${formatBytes(progress.bytes)} ${of} ${formatBytes(progress.totalBytes)}`;
      this.#once(`${id} ${progress.what} ${tenth}`, { step: type, ...progress }, text);
    }
  }

  pause(): void {
    // Lines stay where they are.
  }

  end(): void {
    this.#said.clear();
  }

  #once(key: string, object: object, line: string): void {
    if (this.#said.has(key)) return;
    this.#said.add(key);
    this.#output.result(object, [line]);
  }
}

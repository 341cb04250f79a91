import { formatDuration } from '../../src/domain/format.js';

/** Tells what goes on: numbered chapters, and how long each took. */
export class Story {
  readonly #startedAt = Date.now();
  #chapters = 0;

  async chapter<T>(title: string, happen: () => Promise<T>): Promise<T> {
    const startedAt = Date.now();
    console.log(`\n${++this.#chapters}. ${title}`);
    const result = await happen();
    this.line(`took ${formatDuration(Date.now() - startedAt)}`);
    return result;
  }

  line(text: string): void {
    console.log(`   ${text}`);
  }

  get totalMs(): number {
    return Date.now() - this.#startedAt;
  }
}

import { readdirSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FAKETIME } from './programs.js';

/** How soon a jump is seen by every process. */
export const CLOCK_SEEN_MS = 1000;

/**
 * A clock of the wall for one process and its children, which can be made to jump while they run (libfaketime). The clock that only
 * goes on, by which time-outs are measured, is left alone, as it is when an administrator or NTP sets a real machine's clock.
 */
export class LabClock {
  readonly #file: string;

  private constructor(file: string) {
    this.#file = file;
  }

  /** One that is right, until it jumps; `file` is where its offset is kept. */
  static async start(file: string): Promise<LabClock> {
    const clock = new LabClock(file);
    await clock.jump(0);
    return clock;
  }

  /** A program with arguments that becomes what is named behind it, and lives by this clock. */
  get wrapper(): readonly string[] {
    return [
      'env',
      `LD_PRELOAD=${library()}`,
      `FAKETIME_TIMESTAMP_FILE=${this.#file}`,
      `FAKETIME_CACHE_DURATION=${CLOCK_SEEN_MS / 1000}`,
      'FAKETIME_DONT_FAKE_MONOTONIC=1',
      // Files have the machine's own times: a program that compares them with its clock sees what it would after a jump.
      'NO_FAKE_STAT=1',
    ];
  }

  /** From now on it is so far from the right time. */
  async jump(seconds: number): Promise<void> {
    const whole = Math.round(seconds);
    await writeFile(`${this.#file}.new`, `${whole < 0 ? '' : '+'}${whole}\n`);
    await rename(`${this.#file}.new`, this.#file);
  }

  async remove(): Promise<void> {
    await rm(this.#file, { force: true });
  }
}

function library(): string {
  const base = join(FAKETIME, 'usr/lib');
  const [machine] = readdirSync(base);
  if (machine === undefined) throw new Error(`no library in ${base}`);
  return join(base, machine, 'faketime/libfaketimeMT.so.1');
}

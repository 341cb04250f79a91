import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { eventually } from './lab.js';

export const CTRL_C = '\u0003';

/** A program at a terminal of its own, 120 columns wide, as a person sits before it. */
export class Terminal {
  readonly #script: ChildProcess;
  readonly #closed: Promise<unknown[]>;
  #shown = '';

  /** `programs`: a line for a POSIX shell. */
  constructor(programs: string, env: NodeJS.ProcessEnv) {
    const command = `stty cols 120 rows 40; ${programs}`;
    this.#script = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
      env: { ...env, SHELL: '/bin/sh', TERM: 'xterm' },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#closed = once(this.#script, 'close');
    this.#script.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#shown += text));
  }

  /** All that came, with what steers the terminal. */
  get shown(): string {
    return this.#shown;
  }

  type(keys: string): void {
    this.#script.stdin?.write(keys);
  }

  /** Waits until this is there; from the place on that an earlier wait ended at, if one is given. */
  async until(wanted: RegExp, from = 0): Promise<number> {
    await eventually(() => wanted.test(this.#shown.slice(from)));
    return this.#shown.length;
  }

  /** The exit code. */
  async end(): Promise<number | null> {
    const [code] = (await this.#closed) as [number | null];
    return code;
  }

  /** What stands at the end, as a terminal of this width shows it: lines that were written over are gone. */
  lines(): readonly string[] {
    const lines = [''];
    let [row, column] = [0, 0];
    // eslint-disable-next-line no-control-regex -- what steers a terminal is made of control characters
    for (const [part, , count, verb] of this.#shown.matchAll(/\u001b\[(\??)(\d*)[;\d]*([A-Za-z])|[^]/gu)) {
      if (verb === undefined) {
        if (part === '\r') column = 0;
        else if (part === '\n') row += 1;
        else {
          const line = (lines[row] ?? '').padEnd(column);
          lines[row] = line.slice(0, column) + part + line.slice(column + 1);
          column += 1;
        }
        while (lines.length <= row) lines.push('');
      } else if (verb === 'A') row = Math.max(0, row - numberOf(count));
      else if (verb === 'G') column = numberOf(count) - 1;
      else if (verb === 'K') lines[row] = (lines[row] ?? '').slice(0, column);
      else if (verb === 'J') lines.splice(row, lines.length, (lines[row] ?? '').slice(0, column));
    }
    return lines.map((line) => line.trimEnd()).filter((line) => line !== '');
  }
}

/** One where nothing is said. */
function numberOf(count: string | undefined): number {
  return count === undefined || count === '' ? 1 : Number(count);
}

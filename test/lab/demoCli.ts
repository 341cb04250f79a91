import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EVERTHAW } from './programs.js';
import type { LabHost } from './everthaw.js';
import { run } from './run.js';

/** What of the user's own settings the demo keeps: where programs lie. */
const KEPT = ['EVERTHAW_CACHE', 'EVERTHAW_TEMPORAL'];

/** The installed program on the user's terminal, with a state directory of the demo's own. */
export class DemoCli {
  readonly stateDirectory: string;
  readonly #directory: string;
  readonly #settings: Readonly<Record<string, string>>;

  constructor(directory: string, host: LabHost) {
    this.#directory = directory;
    this.stateDirectory = join(directory, 'state');
    this.#settings = {
      ...host.everthawEnvironment(),
      EVERTHAW_STATE: this.stateDirectory,
      // Nor is what the user has configured.
      EVERTHAW_CONFIG: '/dev/null',
    };
  }

  /** Runs a command as the user would see it. */
  async run(...args: readonly string[]): Promise<void> {
    console.log(`   $ everthaw ${args.join(' ')}`);
    const child = spawn(process.execPath, [EVERTHAW, ...args], {
      env: this.#environment(),
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`everthaw ${args[0] ?? ''} ended with ${code ?? 'a signal'}`);
  }

  async down(): Promise<void> {
    await run(process.execPath, [EVERTHAW, 'down'], { env: this.#environment() });
  }

  /** Writes what a shell needs to go on with the demo, and to end it. */
  async writeEnvironment(labPid: number): Promise<string> {
    const file = join(this.#directory, 'environment');
    const lines = [
      ...this.#unset().map((name) => `unset ${name}`),
      ...Object.entries(this.#settings).map(([name, value]) => `export ${name}=${quoted(value)}`),
      `everthaw() { ${quoted(process.execPath)} ${quoted(EVERTHAW)} "$@"; }`,
      `end_demo() { everthaw down && kill ${labPid} && sleep 2 && rm -r ${quoted(this.#directory)}; }`,
    ];
    // It holds the lab's password.
    await writeFile(file, `${lines.join('\n')}\n`, { mode: 0o600 });
    return file;
  }

  #environment(): NodeJS.ProcessEnv {
    const unset = this.#unset();
    const inherited = Object.entries(process.env).filter(([name]) => !unset.includes(name));
    return { ...Object.fromEntries(inherited), ...this.#settings };
  }

  /** A Temporal server, a host or a state directory that the user has is none of the demo's business. */
  #unset(): readonly string[] {
    return Object.keys(process.env).filter(
      (name) => /^(EVERTHAW|TEMPORAL)_/.test(name) && !KEPT.includes(name),
    );
  }
}

/** A word for a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

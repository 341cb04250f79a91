import { EverthawError } from '../domain/errors.js';
import { exitOf, spawnTethered } from '../system/program.js';

export interface ModuleProgram {
  readonly program: string;
  readonly args: readonly string[];
  /** For errors: `back up volume /srv with restic`. */
  readonly what: string;
  /** The Debian package that holds it, where it is known. */
  readonly debian?: string;
  readonly cwd?: string;
  /** Variables that it gets by its standard input, which nobody else can read. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Starts it as it is, without the locale in which its messages can be read. */
  readonly asIs?: boolean;
  readonly onOutput?: (text: string) => void;
  /** Standard error, as it comes. */
  readonly onComplaint?: (text: string) => void;
}

export interface ProgramEnd {
  readonly exit: number | string;
  /** The first and the last lines that it said, on both outputs unless `onOutput` takes one. */
  readonly firstLines: readonly string[];
  readonly lastLines: readonly string[];
}

const FIRST_LINES = 5;
export const LAST_LINES = 20;
const LONGEST_LINE = 500;
/** What sh, and setpriv, end with where there is no such program. */
const NOT_FOUND = 127;

const SURROUNDINGS =
  'while IFS= read -r line; do export "$line"; done; export LC_ALL=C.UTF-8; unset TAR_OPTIONS; exec "$@"';

/**
 * Runs a program of a module's to its end, in a process group of its own, all of which is killed on `signal`: what it started may read a
 * volume that is to be unmounted.
 *
 * @throws EverthawError ProgramMissing; the signal's reason when cancelled, once the program is no more
 */
export async function endOfModule(run: ModuleProgram, signal: AbortSignal): Promise<ProgramEnd> {
  signal.throwIfAborted();
  const { program, args, cwd, asIs, secrets = {}, onOutput, onComplaint } = run;
  const [start, words] =
    asIs === true ? [program, args] : ['sh', ['-c', SURROUNDINGS, 'sh', program, ...args]];
  const child = spawnTethered(start, words, {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
    ...(cwd === undefined ? {} : { cwd }),
  });
  const said = new Said();
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said.add('stderr', text);
    onComplaint?.(text);
  });
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    if (onOutput === undefined) said.add('stdout', text);
    else onOutput(text);
  });
  child.stdin
    ?.on('error', () => undefined)
    .end(
      Object.entries(secrets)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(''),
    );
  const exited = new Promise<string>((resolve) => {
    child.once('exit', () => {
      resolve('ended');
    });
  });
  const kill = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It ended by itself.
    }
  };
  let cancel: () => void = kill;
  // What left the group may keep the outputs open: once cancelled, they are not waited for.
  const cancelled = new Promise<string>((resolve) => {
    cancel = () => {
      kill();
      void exited.then(resolve);
    };
  });
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const exit = await Promise.race([exitOf(child), cancelled]);
    signal.throwIfAborted();
    said.end();
    if (exit === NOT_FOUND) throw missing(run);
    return { exit, firstLines: said.first, lastLines: said.last };
  } finally {
    signal.removeEventListener('abort', cancel);
    kill();
  }
}

/** The error of one that ended badly, with the files that it named first. */
export function moduleFailed(
  { program, what }: Pick<ModuleProgram, 'program' | 'what'>,
  exit: number | string,
  lines: readonly string[],
): EverthawError {
  const said = lines.length === 0 ? '' : `: ${lines.join('; ')}`;
  return new EverthawError({
    code: 'ProgramFailed',
    what,
    why: `${program} ended with ${exit}${said}`,
    hint: 'nothing of it is called good: see to what it names, and run it again',
    retry: 'again',
  });
}

function missing({ program, what, debian }: ModuleProgram): EverthawError {
  return new EverthawError({
    code: 'ProgramMissing',
    what,
    why: `there is no ${program} on this machine, or it does not start`,
    hint:
      debian === undefined
        ? 'name it with its whole path, and see that it may be run'
        : `install it (Debian: apt install ${debian})`,
  });
}

/** Lines of two streams, each whole, as they came. */
class Said {
  readonly first: string[] = [];
  readonly last: string[] = [];
  readonly #open = { stdout: '', stderr: '' };

  add(stream: 'stdout' | 'stderr', text: string): void {
    const lines = (this.#open[stream] + text).split('\n');
    this.#open[stream] = (lines.pop() ?? '').slice(-LONGEST_LINE);
    for (const line of lines) this.#push(line);
  }

  /** What did not end with a line's end is a line too. */
  end(): void {
    this.#push(this.#open.stdout);
    this.#push(this.#open.stderr);
  }

  #push(line: string): void {
    if (line.trim() === '') return;
    const short = line.slice(0, LONGEST_LINE);
    if (this.first.length < FIRST_LINES) this.first.push(short);
    this.last.push(short);
    if (this.last.length > LAST_LINES) this.last.shift();
  }
}

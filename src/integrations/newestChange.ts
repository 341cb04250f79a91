import { EverthawError } from '../domain/errors.js';
import { endOfModule } from './moduleProgram.js';

/** A time stamp of a file, without loss. */
export interface Stamp {
  readonly seconds: bigint;
  readonly nanoseconds: bigint;
}

/**
 * The newest time stamp in a tree, by the clock of the guest that wrote it: what it changes later, it stamps so or newer, whatever
 * clock this proxy or the host has. `ctime` cannot be set to any other time, so that no file that claims to be of the future spoils it.
 *
 * @throws EverthawError
 */
export async function newestChange(
  directory: string,
  which: 'ctime' | 'mtime',
  signal: AbortSignal,
): Promise<Stamp> {
  let newest: Stamp = { seconds: 0n, nanoseconds: 0n };
  let cut = '';
  const what = `look for the newest file in "${directory}"`;
  const { exit, firstLines } = await endOfModule(
    {
      program: 'find',
      args: [directory, '-xdev', '-printf', which === 'ctime' ? '%C@\\n' : '%T@\\n'],
      what,
      debian: 'findutils',
      onOutput: (text) => {
        const lines = (cut + text).split('\n');
        cut = lines.pop() ?? '';
        for (const line of lines) {
          const stamp = parseStamp(line);
          if (isOlder(newest, stamp)) newest = stamp;
        }
      },
    },
    signal,
  );
  if (exit === 0) return newest;
  throw new EverthawError({
    code: 'ProgramFailed',
    what,
    why: `find ended with ${exit}: ${firstLines.join('; ')}`,
    hint: 'what cannot be read cannot be backed up: see to what it names, or exclude it',
    retry: 'again',
  });
}

/** `1795443240.9112933550`; before 1970 `-1.5000000000`, which is taken for a whole second earlier than it is. */
function parseStamp(line: string): Stamp {
  const [seconds = '0', fraction = '0'] = line.split('.');
  return { seconds: BigInt(seconds), nanoseconds: BigInt(fraction.slice(0, 9).padEnd(9, '0')) };
}

export function isOlder(one: Stamp, other: Stamp): boolean {
  return (
    one.seconds < other.seconds || (one.seconds === other.seconds && one.nanoseconds < other.nanoseconds)
  );
}

export function earlier(stamp: Stamp, seconds: bigint): Stamp {
  return { ...stamp, seconds: stamp.seconds - seconds };
}

import * as z from 'zod';
import { EverthawError } from '../domain/errors.js';
import type { RcloneDestination } from '../domain/moduleChoice.js';
import { endOfModule, moduleFailed } from './moduleProgram.js';
import { wholeLines } from './wholeLines.js';

/** rclone's exit codes where what is named is not there. */
const NOT_THERE = [3, 4];

export interface RcloneCall {
  readonly args: readonly string[];
  /** For errors: `copy volume /srv with rclone`. */
  readonly what: string;
  readonly onOutput?: (text: string) => void;
  readonly onBytes?: (bytes: number) => void;
}

const LOGGED = z.object({
  level: z.string(),
  msg: z.string(),
  object: z.string().exactOptional(),
  stats: z.object({ bytes: z.number() }).exactOptional(),
});

const MOST_NAMED = 5;

/** Runs rclone to its end. @throws EverthawError ProgramMissing, ProgramFailed; the signal's reason when cancelled */
export async function runRclone(
  destination: RcloneDestination,
  call: RcloneCall,
  signal: AbortSignal,
): Promise<void> {
  const end = await endOfRclone(destination, call, signal);
  if (end.exit !== 0) throw failed(call, end);
}

/** What it says on its standard output; undefined where what is named is not there. @throws EverthawError */
export async function askRclone(
  destination: RcloneDestination,
  call: Pick<RcloneCall, 'args' | 'what'>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const said: string[] = [];
  const end = await endOfRclone(destination, { ...call, onOutput: (text) => said.push(text) }, signal);
  if (NOT_THERE.includes(Number(end.exit))) return undefined;
  if (end.exit !== 0) throw failed(call, end);
  return said.join('');
}

interface RcloneEnd {
  readonly exit: number | string;
  readonly errors: readonly string[];
}

async function endOfRclone(
  { configFile }: RcloneDestination,
  { args, what, onOutput, onBytes }: RcloneCall,
  signal: AbortSignal,
): Promise<RcloneEnd> {
  const errors: string[] = [];
  const logged = wholeLines((line) => {
    const entry = parsed(line);
    if (entry === undefined) errors.push(line);
    else if (entry.stats !== undefined) onBytes?.(entry.stats.bytes);
    else if (entry.level === 'error' || entry.level === 'critical')
      errors.push(entry.object === undefined ? entry.msg : `${entry.object}: ${entry.msg}`);
  });
  const { exit } = await endOfModule(
    {
      program: 'rclone',
      args: [
        ...(configFile === undefined ? [] : [`--config=${configFile}`]),
        ...[
          '--use-json-log',
          '--log-level=NOTICE',
          '--stats=1s',
          '--stats-log-level=NOTICE',
          '--ask-password=false',
        ],
        ...args,
      ],
      ...{ what, debian: 'rclone', onComplaint: logged.add },
      ...(onOutput === undefined ? {} : { onOutput }),
    },
    signal,
  );
  logged.end();
  return { exit, errors };
}

function failed({ what }: Pick<RcloneCall, 'what'>, { exit, errors }: RcloneEnd): EverthawError {
  const named = errors.slice(0, MOST_NAMED);
  const more = errors.length - named.length;
  const lines = more > 0 ? [...named, `and ${more} lines more`] : named;
  return moduleFailed({ program: 'rclone', what }, exit, lines);
}

/** A place below another, as rclone names it: `remote:` has no slash behind it. */
export function placeBelow(place: string, ...names: readonly string[]): string {
  const below = names.join('/');
  return place.endsWith(':') || place.endsWith('/') ? `${place}${below}` : `${place}/${below}`;
}

/** A file in a place that says which run made it. */
const MARK = '.everthaw-run';

/** Puts the mark of a run into a place. @param file of this machine, with the run's id */
export async function markPlace(
  destination: RcloneDestination,
  place: string,
  file: string,
  signal: AbortSignal,
): Promise<void> {
  const what = `write to "${place}"`;
  await runRclone(destination, { args: ['copyto', '--', file, placeBelow(place, MARK)], what }, signal);
}

/**
 * Takes away a place that a run made, with all that is in it; one that is not there is gone.
 *
 * @throws EverthawError DestinationInUse where the run's mark is not in it
 */
export async function purgePlace(
  destination: RcloneDestination,
  place: string,
  runId: string,
  signal: AbortSignal,
): Promise<void> {
  const what = `remove "${place}"`;
  const there = await askRclone(destination, { args: ['lsf', '--max-depth=1', '--', place], what }, signal);
  if (there === undefined || there === '') return;
  const mark = await askRclone(destination, { args: ['cat', '--', placeBelow(place, MARK)], what }, signal);
  if (mark !== runId)
    throw new EverthawError({
      code: 'DestinationInUse',
      what,
      why: 'it is there, and was not made by this run',
      hint: 'see whose it is; nothing was taken away',
    });
  await runRclone(destination, { args: ['purge', '--', place], what }, signal);
}

function parsed(line: string): z.infer<typeof LOGGED> | undefined {
  try {
    return LOGGED.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

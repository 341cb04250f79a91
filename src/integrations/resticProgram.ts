import { readFile } from 'node:fs/promises';
import { EverthawError, messageOf } from '../domain/errors.js';
import type { ResticRepository } from '../domain/moduleChoice.js';
import { endOfModule, moduleFailed, type ProgramEnd } from './moduleProgram.js';
import { wholeLines } from './wholeLines.js';

export interface ResticCall {
  readonly args: readonly string[];
  /** For errors: `back up volume /srv with restic`. */
  readonly what: string;
  readonly cwd?: string;
  /** Each line of its standard output: one JSON value where `--json` is said. */
  readonly onLine?: (line: string) => void;
  readonly onComplaint?: (line: string) => void;
}

/** restic's exit code where it said which files it could not read, and made a snapshot of the others. */
export const SOME_UNREAD = 3;
/** Its lines of progress, a second. */
const PROGRESS_PER_SECOND = '1';

/**
 * Runs restic on a repository to its end. Its secrets go by files and by standard input only.
 *
 * @throws EverthawError ProgramMissing; WrongUsage where a file of secrets cannot be read; the signal's reason when cancelled
 */
export async function endOfRestic(
  repository: ResticRepository,
  { args, what, cwd, onLine, onComplaint }: ResticCall,
  signal: AbortSignal,
): Promise<ProgramEnd> {
  const secrets = await readEnvironmentFile(repository.environmentFile, what);
  const output = wholeLines(onLine);
  const complaints = wholeLines(onComplaint);
  const end = await endOfModule(
    {
      program: 'restic',
      args: [`--repo=${repository.place}`, `--password-file=${repository.passwordFile}`, ...args],
      ...{ what, debian: 'restic' },
      // Times are told to it by UTC.
      secrets: { TZ: 'UTC', RESTIC_PROGRESS_FPS: PROGRESS_PER_SECOND, ...secrets },
      ...(cwd === undefined ? {} : { cwd }),
      ...(onLine === undefined ? {} : { onOutput: output.add }),
      onComplaint: complaints.add,
    },
    signal,
  );
  output.end();
  complaints.end();
  return end;
}

/** As {@link endOfRestic}, of what is to succeed; its output's lines. @throws EverthawError where it does not */
export async function askRestic(
  repository: ResticRepository,
  call: Omit<ResticCall, 'onLine' | 'onComplaint'>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const lines: string[] = [];
  const { exit, lastLines } = await endOfRestic(
    repository,
    { ...call, onLine: (line) => lines.push(line) },
    signal,
  );
  if (exit !== 0) throw resticFailed(repository, call.what, exit, lastLines);
  return lines;
}

const NO_REPOSITORY = /Is there a repository at the following location|repository does not exist/;
const WRONG_PASSWORD = 'wrong password or no key found';

/** What restic's end means, in words that say what to do. */
export function resticFailed(
  { place, passwordFile }: ResticRepository,
  what: string,
  exit: number | string,
  lines: readonly string[],
): EverthawError {
  const said = lines.join('\n');
  if (NO_REPOSITORY.test(said))
    return new EverthawError({
      code: 'DestinationMissing',
      what,
      why: `there is no repository of restic’s at "${place}", or it cannot be reached: ${lines[0] ?? ''}`,
      hint: `make one: restic --repo ${place} --password-file ${passwordFile} init`,
    });
  if (said.includes(WRONG_PASSWORD))
    return new EverthawError({
      code: 'WrongUsage',
      what,
      why: `the password in "${passwordFile}" is not that of the repository "${place}"`,
      hint: 'name the file with the right one',
    });
  return moduleFailed({ program: 'restic', what }, exit, lines);
}

/** `NAME=value` in each line, as systemd and docker read it: keys of an object store, say. */
async function readEnvironmentFile(
  file: string | undefined,
  what: string,
): Promise<Readonly<Record<string, string>>> {
  if (file === undefined) return {};
  const refuse = (why: string): never => {
    const hint = 'write NAME=value in each line, for the user of the worker to read';
    throw new EverthawError({ code: 'WrongUsage', what, why: `the environment file "${file}" ${why}`, hint });
  };
  const text = await readFile(file, 'utf8').catch((error: unknown) =>
    refuse(`cannot be read: ${messageOf(error)}`),
  );
  const entries = text.split('\n').flatMap((line, n): readonly (readonly [string, string])[] => {
    if (/^\s*(#|$)/.test(line)) return [];
    const [, name, value] = /^(?:export )?([A-Za-z_]\w*)=(.*)$/.exec(line.trim()) ?? [];
    // The line itself may be the secret.
    return name === undefined || value === undefined
      ? refuse(`says something else than NAME=value in line ${n + 1}`)
      : [[name, value.replace(/^(["'])(.*)\1$/, '$2')]];
  });
  return Object.fromEntries(entries);
}

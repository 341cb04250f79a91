import { spawnSync, type SpawnSyncOptionsWithStringEncoding } from 'node:child_process';
import { nearest } from '../domain/nearest.js';
import { unknownProblem } from './problem.js';
import { declarationOf, SETTING_NAMES, type SettingName } from './settingTable.js';
import { placeIn, Reading } from './written.js';

/*
 * backuptools.conf (F4) is shell, command substitution and all: `sh` itself reads it. So whoever can write the file can run
 * commands as this user; the caller has seen to it that only root and this user can (`untrusted` in file.ts).
 */

/** The setting of each variable. */
export const CONF_VARIABLES: ReadonlyMap<string, SettingName> = new Map(
  SETTING_NAMES.flatMap((setting) => {
    const { conf } = declarationOf(setting);
    return conf === undefined ? [] : [[conf, setting]];
  }),
);

const TIMEOUT_MS = 10_000;
const LONGEST_OUTPUT_BYTES = 64 * 1024;

/** The file comes by standard input and is never part of a command line. What it prints is nobody's business. */
const SCRIPT = [
  'eval "$(cat)" >/dev/null',
  `for everthaw_name in ${[...CONF_VARIABLES.keys()].join(' ')}; do`,
  '  eval "everthaw_set=\\${$everthaw_name+set}; everthaw_value=\\${$everthaw_name-}"',
  '  if [ "$everthaw_set" = set ]; then command printf \'%s=%s\\0\' "$everthaw_name" "$everthaw_value"; fi',
  'done',
  "command printf 'end\\0'",
].join('\n');

/** Reads the text of backuptools.conf, by running it. Never throws: all that is wrong is in the reading. */
export function readConf(text: string, file: string, timeoutMs = TIMEOUT_MS): Reading {
  const reading = new Reading();
  const lines = linesOf(text);
  for (const [name, line] of lines) {
    // A script may have variables of its own; one that is nearly a setting is likely to be misspelt.
    if (!CONF_VARIABLES.has(name) && nearest(name, [...CONF_VARIABLES.keys()]) !== undefined)
      reading.warnings.push(`${file}:${line}: ${unknownProblem(name, [...CONF_VARIABLES.keys()])}`);
  }
  for (const [name, value] of run(text, file, timeoutMs, reading)) {
    const setting = CONF_VARIABLES.get(name);
    // A variable that is empty says nothing, as in the shell.
    if (setting !== undefined && value !== '')
      reading.take(setting, value, { ...placeIn(file, lines.get(name) ?? 1), option: name });
  }
  return reading;
}

function run(text: string, file: string, timeoutMs: number, reading: Reading): ReadonlyMap<string, string> {
  const shell = spawnSync('/bin/sh', ['-c', SCRIPT], {
    input: text,
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' },
    cwd: '/',
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: LONGEST_OUTPUT_BYTES,
    encoding: 'utf8',
    // A group of its own, which goes as a whole, and no terminal to ask at.
    detached: true,
  } as SpawnSyncOptionsWithStringEncoding);
  endGroup(shell.pid);
  const values = shell.stdout.split('\0');
  if (shell.error !== undefined) {
    const late = 'code' in shell.error && shell.error.code === 'ETIMEDOUT';
    reading.wrong(
      file,
      late ? `sh has not read it after ${timeoutMs / 1000} s` : `sh: ${shell.error.message}`,
    );
  } else if (shell.status !== 0 || values.at(-2) !== 'end') {
    const why =
      complaint(shell.stderr) ?? `it ends the shell before its own end (exit ${shell.status ?? ''})`;
    reading.wrong(file, `sh cannot read it: ${why}`);
  } else {
    const why = complaint(shell.stderr);
    if (why !== undefined) reading.warnings.push(`${file}: ${why}`);
    return new Map(
      values
        .slice(0, -2)
        .map((each) => [each.slice(0, each.indexOf('=')), each.slice(each.indexOf('=') + 1)]),
    );
  }
  return new Map();
}

/** What sh said is not repeated: where a quote is missing, it is a piece of the password. */
function complaint(said: string): string | undefined {
  if (said === '') return undefined;
  const line = /:(?: line)? (\d+):/.exec(said)?.[1];
  return `sh complains${line === undefined ? '' : ` about line ${line}`}; sh itself shows what it says`;
}

/** What the file started and left running. */
function endGroup(pid: number): void {
  try {
    if (pid > 0) process.kill(-pid, 'SIGKILL');
  } catch {
    // Nothing was left.
  }
}

/** The line of each variable's last assignment, as far as a look without understanding can tell. */
function linesOf(text: string): ReadonlyMap<string, number> {
  const lines = new Map<string, number>();
  for (const [index, line] of text.split('\n').entries()) {
    const name = /^\s*(?:export\s+|readonly\s+)?([A-Za-z_]\w*)=/.exec(line)?.[1];
    if (name !== undefined) lines.set(name, index + 1);
  }
  return lines;
}

import { EverthawError } from '../../../domain/errors.js';
import type { ScriptOutcome } from '../../guestControl.js';
import type { GuestAgent, GuestExit } from './guestAgent.js';

/** Where a guest may have its scripts (F2). */
const SCRIPTS = {
  windows: {
    preFreeze: 'C:\\Windows\\pre-freeze-script.bat',
    postThaw: 'C:\\Windows\\post-thaw-script.bat',
  },
  other: { preFreeze: '/usr/sbin/pre-freeze-script', postThaw: '/usr/sbin/post-thaw-script' },
} as const;

export type FreezeScript = keyof (typeof SCRIPTS)['other'];

/** timeout(1)'s exit code for what it had to end. */
const ENDED_FOR_IT = 124;
const LOOK_MS = 10_000;

/** What there is to run in a guest, and the boot that it is in. */
export interface FoundScript {
  readonly path: string;
  readonly exists: boolean;
  readonly isExecutable: boolean;
  /** Empty where the guest does not tell: Windows. */
  readonly bootId: string;
}

/** Looks whether a guest has a script. @throws EverthawError QuiesceFailed where the agent does not run programs */
export async function findScript(agent: GuestAgent, script: FreezeScript): Promise<FoundScript> {
  const isWindows = await agent.isWindows();
  const path = SCRIPTS[isWindows ? 'windows' : 'other'][script];
  const exit = isWindows
    ? await agent.run('cmd.exe', ['/c', `if exist ${path} echo found`], { timeoutMs: LOOK_MS })
    : await agent.run('/bin/sh', ['-c', LOOK, 'everthaw', path], { timeoutMs: LOOK_MS });
  if (exit === undefined) {
    throw new EverthawError({
      code: 'QuiesceFailed',
      what: `look for ${path} in the guest`,
      why: `it did not answer within ${LOOK_MS / 1000} s`,
      hint: 'see what keeps the guest busy',
      retry: 'again',
    });
  }
  const [, bootId = ''] = /boot:(\S+)/.exec(exit.output) ?? [];
  return {
    path,
    exists: /\bfound\b/.test(exit.output),
    isExecutable: isWindows || exit.output.includes('executable'),
    bootId,
  };
}

/**
 * Runs a script that is there. It is run by the agent's guest-exec and not by its fsfreeze-hook: the stock hook ends with 0 whatever
 * became of a script.
 */
export async function runScript(
  agent: GuestAgent,
  path: string,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<ScriptOutcome> {
  const options = { timeoutMs, ...(signal === undefined ? {} : { signal }) };
  const isWindows = path.endsWith('.bat');
  if (!isWindows) await endEarlier(agent, path, timeoutMs);
  const exit: GuestExit | undefined = isWindows
    ? await agent.run('cmd.exe', ['/c', path], options)
    : await agent.run('/bin/sh', ['-c', RUN, 'everthaw-script', path], options);
  return (
    exit ?? {
      exitCode: ENDED_FOR_IT,
      output: `it did not end within ${timeoutMs / 1000} s and was stopped`,
    }
  );
}

const LOOK = `
read -r boot < /proc/sys/kernel/random/boot_id
echo "boot:$boot"
[ ! -e "$1" ] || echo found
[ ! -x "$1" ] || echo executable
`;

/**
 * Whoever asked for a pre-freeze script may have died, and the script goes on: a second one beside it could get into its way, and a
 * post-thaw script that overtook it would leave the application paused for good. So before another pre-freeze its end is waited for,
 * and before post-thaw it is ended.
 */
async function endEarlier(agent: GuestAgent, path: string, timeoutMs: number): Promise<void> {
  const waitMs = path === SCRIPTS.other.preFreeze ? timeoutMs : 0;
  const args = ['-c', END, 'everthaw-earlier', String(Math.ceil(waitMs / 1000))];
  const exit = await agent.run('/bin/sh', args, { timeoutMs: waitMs + LOOK_MS });
  if (exit?.exitCode === 0) return;
  throw new EverthawError({
    code: 'QuiesceFailed',
    what: `end an earlier ${SCRIPTS.other.preFreeze} in the guest`,
    why: exit?.output ?? 'it did not answer in time',
    hint: 'see what keeps it, and end it there',
    retry: 'again',
  });
}

/** The start of a process tells it from a later one of its number. */
const STARTED = `
running=/run/everthaw-pre-freeze
started() {
  stat=$(cat "/proc/$1/stat" 2> /dev/null) || return 1
  set -- \${stat##*) }
  echo "\${20}"
}
`;

/** The script takes the place of the shell that noted itself, so that whoever ends that one ends the script. */
const RUN = `${STARTED}
case $1 in
  */pre-freeze-script) echo "$$ $(started $$)" 2> /dev/null > $running ;;
esac
exec "$1"
`;

const END = `${STARTED}
read -r pid start 2> /dev/null < $running || exit 0
tries=0
while [ -n "$start" ] && [ "$(started "$pid")" = "$start" ]; do
  [ "$tries" -lt "$1" ] || kill -KILL "$pid"
  [ "$tries" -lt "$(($1 + 5))" ] || { echo "process $pid does not end"; exit 1; }
  tries=$((tries + 1))
  sleep 1
done
rm -f $running
`;

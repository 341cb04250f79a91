import { EverthawError } from '../../domain/errors.js';
import type { ScriptOutcome } from '../guestControl.js';
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
  return { path, exists: /\bfound\b/.test(exit.output), bootId };
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
  const exit: GuestExit | undefined = path.endsWith('.bat')
    ? await agent.run('cmd.exe', ['/c', path], options)
    : await agent.run(path, [], options);
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
`;

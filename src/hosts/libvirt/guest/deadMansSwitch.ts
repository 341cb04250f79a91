import { EverthawError } from '../../../domain/errors.js';
import type { GuestAgent } from './guestAgent.js';

/*
 * A freeze ends only when somebody outside asks for it: if everybody outside dies, the guest would hang for ever. So before it is
 * frozen a shell is left in the guest that lets it go by itself. It works on a frozen guest: what it reads may lie on a frozen file
 * system, what it writes lies in /run, which is memory and which the agent does not freeze.
 *
 * It acts only while the nonce in /run is its own: a later freeze writes another, and disarming removes it and ends the shell.
 * It does not stop after the first time, since an agent that is still busy freezing may freeze another file system after it.
 *
 * Windows needs none: the volume shadow copy service lets writes go after 10 seconds whoever holds them
 * (https://learn.microsoft.com/windows/win32/vss/overview-of-processing-a-backup-under-vss).
 */

const ARM_MS = 10_000;

/** Lets the guest's file systems go `seconds` from now, unless disarmed. When this returns it is armed. */
export async function armSwitch(agent: GuestAgent, nonce: string, seconds: number): Promise<void> {
  const exit = await agent.run('/bin/sh', ['-c', ARM, 'everthaw-switch', nonce, String(seconds)], {
    timeoutMs: ARM_MS,
  });
  if (exit?.exitCode === 0) return;
  throw new EverthawError({
    code: 'QuiesceFailed',
    what: 'arm the dead man’s switch in the guest',
    why: exit === undefined ? 'it did not answer in time' : exit.output || `it ended with ${exit.exitCode}`,
    hint: 'the guest needs a shell, fsfreeze (util-linux) and /run; or allow a freeze without it with --freeze-unguarded',
  });
}

/** Disarms it, and tells whether it had let the guest go already. */
export async function disarmSwitch(agent: GuestAgent, nonce: string): Promise<{ hadFired: boolean }> {
  const exit = await agent.run('/bin/sh', ['-c', DISARM, 'everthaw-disarm', nonce], { timeoutMs: ARM_MS });
  return { hadFired: exit?.output.includes('fired') ?? false };
}

/** How often it looks again, a second apart, whether something is frozen. */
const AGAIN = 30;

/**
 * First a trial on /run, which nobody freezes: the answer that it is not frozen is the proof that program, right and policy are
 * there. busybox has fsfreeze too, with long options only.
 */
const ARM = `
nonce=$1
said=$(LC_ALL=C fsfreeze --unfreeze /run 2>&1)
case $said in
  *'Invalid argument'* | *'not supported'*) ;;
  *) echo "the guest cannot let a file system go by itself: $said"; exit 1 ;;
esac
umask 077
(
  sleep "$2"
  again=0
  while [ "$again" -lt ${AGAIN} ] && read -r now rest < /run/everthaw-freeze && [ "$now" = "$nonce" ]; do
    echo "$nonce" > /run/everthaw-freeze.fired
    while read -r device directory rest; do
      case $device in
        /*) fsfreeze --unfreeze "$(printf %b "$directory")" ;;
      esac
    done < /proc/self/mounts
    again=$((again + 1))
    sleep 1
  done
) < /dev/null > /dev/null 2>&1 &
echo "$nonce $!" > /run/everthaw-freeze.new && mv -f /run/everthaw-freeze.new /run/everthaw-freeze
`;

/** Ends the shell itself too: one that was just about to act must not act on a later freeze. */
const DISARM = `
if read -r now pid 2> /dev/null < /run/everthaw-freeze && [ "$now" = "$1" ]; then
  rm -f /run/everthaw-freeze
  case $(tr '\\0' ' ' 2> /dev/null < "/proc/$pid/cmdline") in
    *"$1"*) kill -KILL "$pid" ;;
  esac
fi
if read -r now 2> /dev/null < /run/everthaw-freeze.fired && [ "$now" = "$1" ]; then
  rm -f /run/everthaw-freeze.fired
  echo fired
fi
exit 0
`;

import { EverthawError } from '../domain/errors.js';
import { SSH_FAILED, sshFault } from '../system/sshFault.js';

/** How programs say that a file system or a quota is full, in the language of the locale C. */
const FULL = /No space left|Disk quota exceeded/i;

/** Whether a program that could not write says that there is no room. */
export function saysFull(said: string): boolean {
  return FULL.test(said);
}

export function unwritable(file: string, code: string, message: string): EverthawError {
  const what = `write ${file}`;
  if (code === 'ENOSPC' || code === 'EDQUOT') return destinationFull(what);
  const hint = 'check the destination’s file system and rights';
  return new EverthawError({ code: 'ProgramFailed', what, why: message, hint });
}

export function destinationFull(what: string): EverthawError {
  return new EverthawError({
    code: 'DestinationFull',
    what,
    why: 'the destination is full',
    hint: 'free room there, or name another destination',
  });
}

/**
 * What it means that ssh did not bring a file to another machine. What ends in mid-transfer is a failure of that attempt; that it cannot
 * be begun, the other machine's.
 */
export function unsent(file: string, hasBegun: boolean, exit: number | string, tail: string): EverthawError {
  if (saysFull(tail)) return destinationFull(`write ${file}`);
  if (exit === SSH_FAILED && !hasBegun) return sshFault(`write ${file}`, tail);
  const isCut = exit === SSH_FAILED || typeof exit === 'string';
  return new EverthawError({
    code: isCut ? 'StreamTorn' : 'ProgramFailed',
    what: `write ${file}`,
    why: isCut
      ? `the connection ended in mid-transfer${tail === '' ? '' : ` (${tail})`}`
      : `the program there ended with ${exit} (${tail})`,
    hint: isCut
      ? 'the other machine or the network broke it off: run it again'
      : 'check the file system and the rights there',
    retry: 'again',
  });
}

import type { Argument, Option } from 'commander';
import { EverthawError } from '../domain/errors.js';

/** The word that a flag was given, which must be one of a few. @throws EverthawError WrongUsage */
export function oneOf<T extends string>(flag: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((each) => each === text);
  if (found !== undefined) return found;
  throw new EverthawError({
    code: 'WrongUsage',
    what: `read ${flag}`,
    why: `${JSON.stringify(text)} is none of ${allowed.join(', ')}`,
    hint: `write ${flag} ${allowed[0] ?? ''}`,
  });
}

/** The whole number that a flag was given, within bounds. @throws EverthawError WrongUsage */
export function wholeNumber(flag: string, text: string, least: number, most: number): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= least && number <= most) return number;
  throw new EverthawError({
    code: 'WrongUsage',
    what: `read ${flag}`,
    why: `${JSON.stringify(text)} is no whole number from ${least} to ${most}`,
    hint: `write ${flag} ${least}`,
  });
}

/** Names the words that an option or an argument takes, for help and for completion. What is read is checked by {@link oneOf}. */
export function offering<T extends Option | Argument>(taken: T, words: readonly string[]): T {
  taken.argChoices = [...words];
  return taken;
}

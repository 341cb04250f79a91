import { EverthawError } from '../domain/errors.js';

/*
 * Patterns say what of a guest is backed up, in the guest's own words: a path (`D:\Data`, `/srv/data`), or a name that is looked for
 * everywhere (`*.tmp`). `*` stands for any characters of one name and `?` for one; every other character stands for itself. What is in an excluded
 * directory is excluded with it.
 */

/** Sets of excluded things, of one volume. */
export interface Excludes {
  /** Below the volume's root, a pattern for each step. */
  readonly paths: readonly (readonly string[])[];
  /** Of names, in any directory. */
  readonly names: readonly string[];
}

export function isPath(pattern: string): boolean {
  return pattern.startsWith('/') || /^[A-Za-z]:(?:$|[\\/])/.test(pattern);
}

/** @throws EverthawError WrongUsage where no tool could be told of it */
export function checkPattern(pattern: string, isInclude: boolean): void {
  const refuse = (why: string): never => {
    throw new EverthawError({
      code: 'WrongUsage',
      what: `${isInclude ? 'include' : 'exclude'} ${JSON.stringify(pattern)}`,
      why,
      hint: `write D:\\Data or /srv/data${isInclude ? '' : ', or a name as *.tmp'}`,
    });
  };
  if (pattern === '') refuse('it is empty');
  if (/[\0\n\r]/.test(pattern)) refuse('a pattern is one line');
  if (isPath(pattern)) {
    if (isInclude && /[*?]/.test(pattern)) refuse('what is included is a path, and no pattern');
    if (pattern.split(/[\\/]/).includes('..')) refuse('a path goes downwards only');
  } else if (isInclude || /[\\/]/.test(pattern)) refuse('it is neither a whole path nor a name');
}

/** As GNU tar's `--exclude-from` has it, for a volume that is backed up from its root: after `--anchored`, and after `--no-anchored`. */
export function tarExcludes({ paths, names }: Excludes): {
  readonly anchored: string;
  readonly floating: string;
} {
  const escaped = (text: string): string => text.replace(/[[\]\\]/g, '\\$&');
  return {
    anchored: lines(paths.map((steps) => ['.', ...steps.map(escaped)].join('/'))),
    floating: lines(names.map(escaped)),
  };
}

/** As restic's `--exclude-file` has it, which knows paths by their whole names here. */
export function resticExcludes({ paths, names }: Excludes, directory: string): string {
  // Variables of the environment would be put in, and blanks at the ends and what looks like a comment left out.
  const inFile = (text: string): string =>
    text.replaceAll('$', '$$$$').replace(/^[ \t#!]|[ \t]$/g, (character) => `[${character}]`);
  const escaped = (text: string): string => text.replace(/[[\]\\]/g, '\\$&');
  const root = directory.replace(/[[\]\\*?]/g, '\\$&').replace(/\/$/, '');
  return lines([
    ...paths.map((steps) => inFile([root, ...steps.map(escaped)].join('/'))),
    ...names.map((name) => inFile(escaped(name).replace(/^!/, '[!]'))),
  ]);
}

/** As rclone's `--exclude-from` has it, where a tree is copied from `top`, steps below the volume's root. */
export function rcloneExcludes({ paths, names }: Excludes, top: readonly string[]): string {
  const escaped = (text: string): string => text.replace(/[[\]\\{}]/g, '\\$&');
  const below = paths.flatMap((steps) => {
    const isWithin = steps.length > top.length && top.every((step, n) => isMatch(steps[n] ?? '', step));
    return isWithin ? [`/${steps.slice(top.length).map(escaped).join('/')}`] : [];
  });
  // A line that begins as a comment does is none behind a group.
  const all = [...below, ...names.map(escaped).map((name) => name.replace(/^[#; ]/, '{$&}'))];
  return lines(all.flatMap((pattern) => [pattern, `${pattern}/**`]));
}

/** Whether a name is what a pattern stands for. */
export function isMatch(pattern: string, name: string, ignoresCase = false): boolean {
  const source = pattern.replace(/[\\^$.*+?()[\]{}|/]/g, (each) =>
    each === '*' ? '.*' : each === '?' ? '.' : `\\${each}`,
  );
  return new RegExp(`^${source}$`, ignoresCase ? 'sui' : 'su').test(name);
}

function lines(each: readonly string[]): string {
  return each.map((line) => `${line}\n`).join('');
}

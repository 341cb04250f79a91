import { distance } from 'fastest-levenshtein';

/** No name is longer. */
const LONGEST_NAME = 60;

/** The beginning of a name that is shorter begins many. */
const SHORT = 5;

/** The known name that was meant, if one is near: of three letters one may be wrong, and the end may be missing (`password` of `passwordFile`). */
export function nearest(option: string, known: readonly string[]): string | undefined {
  if (option.length > LONGEST_NAME) return undefined;
  const given = plain(option);
  const far = (name: string): number =>
    Math.min(
      distance(given, plain(name)),
      given.length < SHORT ? Infinity : distance(given, plain(name).slice(0, given.length + 1)),
    );
  const [near] = known.toSorted((one, other) => far(one) - far(other));
  return near !== undefined && far(near) <= Math.max(1, Math.floor(given.length / 3)) ? near : undefined;
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[-_]/g, '');
}

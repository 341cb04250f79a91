/** What a setting may be. Plain data: commands list their flags from it before anything that checks is loaded. */
export type Kind =
  | { readonly is: 'text'; readonly shape?: RegExp; readonly allowed: string }
  /** Told as `***`, and may hold any character. */
  | { readonly is: 'secret' }
  /** A place on this machine; one that is not absolute is counted from where it was written down. */
  | { readonly is: 'path' }
  /** The same, or a place on another machine: `scp://user@host:/path`. */
  | { readonly is: 'destination' }
  | { readonly is: 'wholeNumber'; readonly from: number; readonly to: number }
  | { readonly is: 'oneOf'; readonly words: readonly string[] }
  | { readonly is: 'yesNo' }
  /** A name of the time zone database. */
  | { readonly is: 'timeZone' }
  /** Texts by texts; its value is kept as JSON. */
  | { readonly is: 'map'; readonly allowed: string };

export type ValueOf<K extends Kind> = K extends { is: 'wholeNumber' }
  ? number
  : K extends { is: 'yesNo' }
    ? boolean
    : K extends { is: 'oneOf'; words: readonly (infer Word)[] }
      ? Word
      : string;

/** `one of san, nbd, nbdssl`: what is allowed, for people. */
export function allowedOf(kind: Kind): string {
  switch (kind.is) {
    case 'text':
    case 'map':
      return kind.allowed;
    case 'secret':
      return 'a text';
    case 'path':
      return 'a path';
    case 'destination':
      return 'a path or scp://user@host:/path';
    case 'wholeNumber':
      return `a whole number from ${kind.from} to ${kind.to}`;
    case 'oneOf':
      return kind.words.length === 1 ? (kind.words[0] ?? '') : `one of ${kind.words.join(', ')}`;
    case 'yesNo':
      return 'true or false';
    case 'timeZone':
      return 'a time zone, as Europe/Berlin or UTC';
  }
}

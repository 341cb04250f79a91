import * as z from 'zod';
import { isTimeZone } from '../domain/timeBuckets.js';
import { allowedOf, type Kind } from './kind.js';

/** The type of a setting's value. Whatever is wrong with one, its only message says what is allowed. */
export function typeOf(kind: Kind): z.ZodType {
  const allowed = allowedOf(kind);
  switch (kind.is) {
    case 'text':
      return z.string(allowed).regex(kind.shape ?? /^\P{Cc}+$/u, allowed);
    case 'secret':
      return z.string(allowed).min(1, allowed);
    case 'path':
    case 'destination':
      return z.string(allowed).regex(/^\P{Cc}+$/u, allowed);
    case 'wholeNumber':
      return z.int(allowed).min(kind.from, allowed).max(kind.to, allowed);
    case 'oneOf':
      return z.enum(kind.words, allowed);
    case 'yesNo':
      return z.boolean(allowed);
    case 'timeZone':
      return z.string(allowed).refine(isTimeZone, allowed);
    case 'map': {
      const word = z.string(allowed).regex(/^\P{Cc}+$/u, allowed);
      return z.record(word, word, allowed);
    }
  }
}

/** A setting's value out of what was written, which may be its text. @returns undefined where it is not allowed */
export function readValue(kind: Kind, given: unknown): string | number | boolean | undefined {
  const { data } = typeOf(kind).safeParse(
    typeof given === 'string' ? fromText(kind, given) : asWritten(kind, given),
  );
  return kind.is === 'map' && data !== undefined
    ? JSON.stringify(data)
    : (data as string | number | boolean | undefined);
}

function fromText({ is }: Kind, text: string): unknown {
  if (is === 'wholeNumber') return /^\d{1,15}$/.test(text) ? Number(text) : text;
  if (is === 'map') return fromJson(text);
  if (is === 'yesNo') return { '1': true, true: true, '0': false, false: false }[text] ?? text;
  return text;
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A number where a word is wanted (`VERIFY_SSL_CERTIFICATES=1`) is that word. */
function asWritten({ is }: Kind, given: unknown): unknown {
  return is === 'oneOf' && typeof given === 'number' ? String(given) : given;
}

import { EverthawError, messageOf } from './errors.js';

/** `not known`: it could not be looked at, which is no sign that it is wrong. */
export type FindingState = 'ok' | 'warning' | 'failed' | 'not known';

/** What a preflight found of one thing. */
export interface Finding {
  /** What was asked: `certificate`. */
  readonly check: string;
  /** Of what: `VM "web"`. */
  readonly on: string;
  readonly state: FindingState;
  /** What was seen there. */
  readonly found: string;
  /** What can be done about it. */
  readonly todo?: string;
}

/** What an error says of a thing that was looked at. */
export function failure(check: string, on: string, error: unknown): Finding {
  if (!(error instanceof EverthawError)) return { check, on, state: 'failed', found: messageOf(error) };
  return { check, on, state: 'failed', found: error.why, todo: error.hint };
}

/** Looks at one thing: what is thrown is its failure. */
export async function finding(check: string, on: string, look: () => Promise<string>): Promise<Finding> {
  try {
    return { check, on, state: 'ok', found: await look() };
  } catch (error) {
    return failure(check, on, error);
  }
}

/** The same where a look tells several things: an error takes the place of all of them. */
export async function findings(
  check: string,
  on: string,
  look: () => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  try {
    return await look();
  } catch (error) {
    return [failure(check, on, error)];
  }
}

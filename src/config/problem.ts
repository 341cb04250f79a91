import { EverthawError } from '../domain/errors.js';
import { nearest } from '../domain/nearest.js';
import { printable } from '../domain/printable.js';

/** Something wrong with a setting, and where it was written. */
export interface Problem {
  /** `/opt/vcb/config/config.js:3`, `the environment` or `the command line` */
  readonly where: string;
  /** One sentence: option, what was given, what is allowed. */
  readonly what: string;
}

export function formatProblem({ where, what }: Problem): string {
  const told = printable(`${where}: ${what}`);
  return told.length > LONGEST_PROBLEM ? `${told.slice(0, LONGEST_PROBLEM)}…` : told;
}

/** In the order of their lines. */
export function inOrder(problems: readonly Problem[]): readonly Problem[] {
  return problems.toSorted((one, other) => one.where.localeCompare(other.where, 'en', { numeric: true }));
}

/** All problems in one error. */
export function problemsError(problems: readonly Problem[]): EverthawError {
  const count = problems.length === 1 ? '' : `${problems.length} problems: `;
  return new EverthawError({
    code: 'WrongUsage',
    what: 'read the settings',
    why: `${count}${problems.map(formatProblem).join('; ')}`,
    hint: 'mend it; everthaw config check shows one problem a line, docs/configuration.md lists every setting',
  });
}

/** `TRANSPORT_MODE is "lan"; allowed: one of san, nbd, nbdssl` */
export function valueProblem(option: string, given: string, allowed: string): string {
  return `${option} is ${given}; allowed: ${allowed}`;
}

/** `unknown option TRANPORT_MODE; did you mean TRANSPORT_MODE?`, or what there is, where nothing is near. */
export function unknownProblem(option: string, known: readonly string[]): string {
  const near = nearest(option, known);
  const told = `unknown option ${JSON.stringify(short(option))}`;
  if (near !== undefined) return `${told}; did you mean ${near}?`;
  return `${told}; known: ${known.join(', ')}`;
}

/** A value as it is shown: quoted, and not longer than a line. */
export function shown(value: unknown): string {
  return short(typeof value === 'bigint' ? String(value) : JSON.stringify(value));
}

function short(text: string): string {
  return text.length > LONGEST_NAME ? `${text.slice(0, LONGEST_NAME)}…` : text;
}

const LONGEST_NAME = 60;
/** A path, and all names that there are. */
const LONGEST_PROBLEM = 4000;

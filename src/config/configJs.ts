import { parse, type AssignmentExpression, type Expression, type Node, type Program } from 'acorn';
import { messageOf } from '../domain/errors.js';
import { isLibvirtUri } from '../hosts/libvirt/connection/libvirtUri.js';
import { allowedOf, type Kind } from './kind.js';
import { unknownProblem } from './problem.js';
import { declarationOf, SETTING_NAMES, type SettingName } from './settingTable.js';
import { placeIn, Reading, type Written } from './written.js';

/*
 * config.js (F3) is read by acorn, JavaScript's own parser in small: strings, escapes and comments are what its writers take them for,
 * and every fault has a line. Only its tree is looked at. Nothing of it is ever run.
 */

/** The setting of each option. */
export const CONFIG_JS_OPTIONS: ReadonlyMap<string, SettingName> = new Map(
  SETTING_NAMES.flatMap((setting) => {
    const { configJs } = declarationOf(setting);
    return configJs === undefined ? [] : [[configJs, setting]];
  }),
);

/** What of an option is other here than elsewhere. */
const OWN: Readonly<Partial<Record<SettingName, { readonly kind?: Kind; readonly default?: string }>>> = {
  transport: { kind: { is: 'oneOf', words: ['san', 'nbd', 'nbdssl'] }, default: 'san' },
  lookup: { default: 'ipaddr' },
};

/** So many lines that are no JavaScript are told; who reads them all knows what kind of file it is. */
const MOST_TORN_LINES = 20;

/** What applies where the file does not say. */
export function configJsDefaults(file: string): readonly Written[] {
  return Object.entries(OWN).flatMap(([setting, own]) =>
    own.default === undefined
      ? []
      : [{ setting: setting as SettingName, value: own.default, from: `default of ${file}` }],
  );
}

export function configJsKind(setting: SettingName): Kind {
  return OWN[setting]?.kind ?? declarationOf(setting).kind;
}

/** Reads config.js. Never throws: all that is wrong is in the reading. */
export function parseConfigJs(text: string, file: string): Reading {
  const reading = new Reading();
  const lines = new Map<string, number>();
  for (const statement of statementsOf(text, file, reading)) {
    const line = lineOf(statement);
    if (statement.type === 'EmptyStatement') continue;
    const assignment = statement.type === 'ExpressionStatement' ? statement.expression : undefined;
    if (assignment === undefined || !isAssignment(assignment)) {
      reading.wrong(`${file}:${line}`, `not understood; allowed: NAME = "text"; or NAME = number;`);
      continue;
    }
    const { name } = assignment.left;
    const earlier = lines.get(name);
    lines.set(name, line);
    const setting = CONFIG_JS_OPTIONS.get(name);
    if (setting === undefined) {
      reading.wrong(`${file}:${line}`, unknownProblem(name, [...CONFIG_JS_OPTIONS.keys()]));
    } else if (earlier !== undefined) {
      reading.wrong(`${file}:${line}`, `${name} is given twice, first in line ${earlier}`);
    } else {
      const kind = configJsKind(setting);
      const value = literalOf(assignment.right);
      if (value === undefined) {
        reading.attempted.add(setting);
        reading.wrong(
          `${file}:${line}`,
          `${name} is neither a text in quotes nor a number, and nothing is evaluated; allowed: ${allowedOf(kind)}`,
        );
      } else {
        reading.take(setting, value, { ...placeIn(file, line), option: name, kind });
      }
    }
  }
  return reading;
}

/** Notes the options that must be given and are not, here or in `elsewhere` (flags, environment, everthaw.yaml). */
export function noteMissingOptions(
  reading: Reading,
  file: string,
  elsewhere: readonly Written[],
  hostAddress: string | undefined,
): void {
  // What could not be read may well say it.
  if (reading.problems.some(({ where }) => where === file)) return;
  const given = new Set(elsewhere.map(({ setting }) => setting));
  const needs = (setting: SettingName, allowed: string, ...instead: readonly SettingName[]): void => {
    if ([setting, ...instead].some((each) => given.has(each) || reading.attempted.has(each))) return;
    reading.wrong(file, `${declarationOf(setting).configJs ?? ''} is not given; allowed: ${allowed}`);
  };
  needs('root', 'a directory that exists');
  needs('host', 'a vCenter Server, an ESX host, or a libvirt URI');
  // libvirt and ssh know their user.
  if (isLibvirtUri(hostAddress ?? '')) return;
  needs('username', 'the backup user');
  needs('password', 'its password, or EVERTHAW_PASSWORD_FILE in the environment', 'passwordFile');
}

/** The file's statements. A line that is no JavaScript is noted and passed over, so that what follows is read too. */
function statementsOf(text: string, file: string, reading: Reading): Program['body'] {
  // With their ends: a text in quotes may hold some of these.
  const lines = text.split(/(?<=\n|\r(?!\n)|[\u2028\u2029])/);
  for (let torn = 0; torn < MOST_TORN_LINES; torn += 1) {
    try {
      return parse(lines.join(''), { ecmaVersion: 'latest', locations: true }).body;
    } catch (error) {
      // What is missing at the end of a file is missing in its last line that says something.
      const line =
        lines.findLastIndex((each, index) => index < lineOfSyntaxError(error) && each.trim() !== '') + 1;
      if (line === 0) {
        reading.wrong(file, 'cannot be read: it is no list of assignments');
        return [];
      }
      reading.wrong(`${file}:${line}`, `no JavaScript: ${withoutText(messageOf(error))}`);
      lines[line - 1] = '\n';
    }
  }
  reading.wrong(file, `more than ${MOST_TORN_LINES - 1} lines are no JavaScript; the rest was not read`);
  return [];
}

function isAssignment(expression: Expression): expression is AssignmentExpression & {
  readonly left: { readonly type: 'Identifier'; readonly name: string };
} {
  return (
    expression.type === 'AssignmentExpression' &&
    expression.operator === '=' &&
    expression.left.type === 'Identifier'
  );
}

function literalOf(expression: Expression): string | number | undefined {
  if (expression.type !== 'Literal') return undefined;
  const { value } = expression;
  return typeof value === 'string' || typeof value === 'number' ? value : undefined;
}

function lineOf({ loc }: Node): number {
  return loc?.start.line ?? 0;
}

/** What acorn says, without its place, and without words of the file: where a quote is missing, they are a piece of the password. */
function withoutText(message: string): string {
  return message.replace(/ \(\d+:\d+\)$/, '').replace(/: .*| '.*'/s, '');
}

/** Acorn says where; a file that is nested too deeply to be parsed has no such place. */
function lineOfSyntaxError(error: unknown): number {
  if (!(error instanceof SyntaxError) || !('loc' in error)) return 0;
  return (error.loc as { readonly line: number }).line;
}

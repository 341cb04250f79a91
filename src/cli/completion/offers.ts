import type { Argument, Command, Option } from 'commander';
import { declarationOf, SETTING_NAMES } from '../../config/settingTable.js';
import { programs } from '../programs.js';

/** A word that may come next, and what it means. */
interface Offer {
  readonly word: string;
  readonly what: string;
}

interface Offers {
  readonly offers: readonly Offer[];
  /** Names of this machine that may come next. */
  readonly paths?: 'files' | 'directories';
}

/** What a placeholder says of what is to stand there. */
const PATHS: Readonly<Record<string, Offers['paths']>> = {
  file: 'files',
  catalog: 'files',
  directory: 'directories',
  source: 'directories',
  backup: 'directories',
  'install path': 'directories',
};

const NOTHING: Offers = { offers: [] };

/** What may stand in the place of the last word. */
export function offersFor(name: string, words: readonly string[]): Offers {
  const program = programs().find((each) => each.name() === name);
  if (program === undefined) return NOTHING;
  const { command, given, open } = readWords(program, words.slice(0, -1));
  const begun = words.at(-1) ?? '';
  if (open !== undefined) return beginning(begun, valuesOf(open));
  const [flag, value] = begun.split('=', 2);
  if (begun.startsWith('-') && value !== undefined) {
    const option = findOption(command, flag ?? '');
    return option === undefined ? NOTHING : beginning(begun, withFlag(`${flag ?? ''}=`, valuesOf(option)));
  }
  if (begun.startsWith('-')) return beginning(begun, { offers: flagsOf(command) });
  const argument = command.registeredArguments[given] ?? variadicOf(command);
  const values = argument === undefined ? NOTHING : valuesOf(argument);
  return beginning(begun, { ...values, offers: [...subcommandsOf(command), ...values.offers] });
}

interface Reading {
  readonly command: Command;
  /** How many arguments of it there are. */
  readonly given: number;
  /** The flag whose value comes next. */
  readonly open: Option | undefined;
}

/** Reads the words before the one that is asked for. */
function readWords(program: Command, words: readonly string[]): Reading {
  return words.reduce<Reading>(
    ({ command, given, open }, word) => {
      if (open !== undefined) return { command, given, open: undefined };
      if (word.startsWith('-')) {
        const option = word.includes('=') ? undefined : findOption(command, word);
        return { command, given, open: option?.required === true ? option : undefined };
      }
      const sub = command.commands.find((each) => each.name() === word);
      return sub === undefined
        ? { command, given: given + 1, open: undefined }
        : { command: sub, given: 0, open: undefined };
    },
    { command: program, given: 0, open: undefined },
  );
}

/** An option of the command, or of one that it belongs to. */
function findOption(command: Command, flag: string): Option | undefined {
  for (let at: Command | null = command; at !== null; at = at.parent) {
    const found = at.options.find(({ short, long }) => short === flag || long === flag);
    if (found !== undefined) return found;
  }
  return undefined;
}

function flagsOf(command: Command): readonly Offer[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .map(({ long, short, description }) => ({ word: long ?? short ?? '', what: onOneLine(description) }));
}

function subcommandsOf(command: Command): readonly Offer[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((each) => ({ word: each.name(), what: onOneLine(each.description()) }));
}

function variadicOf({ registeredArguments }: Command): Argument | undefined {
  const last = registeredArguments.at(-1);
  return last?.variadic === true ? last : undefined;
}

function valuesOf(taken: Option | Argument): Offers {
  const words = taken.argChoices ?? ('long' in taken ? wordsOfSetting(taken) : []);
  if (words.length > 0) return { offers: words.map((word) => ({ word, what: '' })) };
  const placeholder = 'long' in taken ? (/[<[]([^>\]]+)[>\]]/.exec(taken.flags)?.[1] ?? '') : taken.name();
  const paths = PATHS[placeholder];
  return paths === undefined ? NOTHING : { offers: [], paths };
}

/** A setting knows its words by itself. */
function wordsOfSetting(option: Option): readonly string[] {
  const name = SETTING_NAMES.find((each) => declarationOf(each).flag === option.flags);
  const kind = name === undefined ? undefined : declarationOf(name).kind;
  return kind?.is === 'oneOf' ? kind.words : [];
}

function withFlag(flag: string, { offers, ...rest }: Offers): Offers {
  return { ...rest, offers: offers.map(({ word, what }) => ({ word: flag + word, what })) };
}

function beginning(begun: string, { offers, ...rest }: Offers): Offers {
  return { ...rest, offers: offers.filter(({ word }) => word.startsWith(begun)) };
}

function onOneLine(text: string): string {
  return text.replace(/\s+/g, ' ');
}

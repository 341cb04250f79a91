import { access, rm } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONF_VARIABLES, readConf } from '../../src/config/backuptoolsConf.js';
import { formatProblem } from '../../src/config/problem.js';
import { expectOneLine, fuzz } from './fuzz.js';

/*
 * The file is shell, and is run: what is tried here is made of words that no program has, of quotes, and of nothing by which a shell
 * would write anywhere.
 */

const WORDS = [
  'zqa',
  'zq b',
  'ä日本',
  '"',
  "'",
  '\\',
  '$',
  '`',
  '!',
  '*',
  '~',
  '#',
  '=',
  ';',
  '&',
  '|',
  '>',
  '<',
  '(',
  ')',
  '{zq,b}',
  '%s',
  '-rf',
  '$(zq)',
  '${zq}',
];
const plain = fc
  .array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 5 })
  .map((words) => words.join(''));

/** A piece of a value as it is written, and as sh takes it. */
const piece: fc.Arbitrary<readonly [written: string, meant: string]> = fc.oneof(
  plain.map((text) => [`'${text.replaceAll("'", `'\\''`)}'`, text] as const),
  plain.map((text) => [`"${text.replace(/[\\"$`]/g, '\\$&')}"`, text] as const),
  plain.map((text) => [text.replace(/[^\p{L}]/gu, '\\$&'), text] as const),
  fc.constant(['${ZQ_ONE}', 'of its own'] as const),
  fc.constant(['"${ZQ_ONE}"', 'of its own'] as const),
  fc.constant(['$(printf %s zqa)', 'zqa'] as const),
);
const names = fc.constantFrom('VCHOST', 'PASSWORD', 'VMHOST', 'RESOURCEPOOL', 'FOLDERPATH');
const lines = fc.dictionary(names, fc.array(piece, { minLength: 1, maxLength: 4 }), { minKeys: 1 });

describe('backuptools.conf', () => {
  fuzz(
    'gives its values as sh sees them, and to no other shell',
    lines,
    (each) => {
      const text = Object.entries(each).map(
        ([name, pieces]) => `${name}=${pieces.map(([written]) => written).join('')} # zq\n`,
      );
      const { written, problems } = readConf(`# of VCB's\nZQ_ONE='of its own'\n${text.join('')}`, '/b.conf');
      expect(problems).toEqual([]);
      expect(Object.fromEntries(written.map(({ setting, value }) => [setting, value]))).toEqual(
        Object.fromEntries(
          Object.entries(each).map(([name, pieces]) => [
            CONF_VARIABLES.get(name),
            pieces.map(([, meant]) => meant).join(''),
          ]),
        ),
      );
    },
    40,
  );

  const torn = fc.array(
    fc.constantFrom(
      'VCHOST=',
      'PASSWORD=',
      'zq',
      "'",
      '"',
      '(',
      ')',
      '{',
      '}',
      '\\',
      '$',
      '`',
      '\n',
      '\r\n',
      '\0',
      '\ufeff',
      '\ud800',
      'if ',
      'fi',
      'case zq in',
      'exit 3',
      'return',
      'set -u\n',
      '#',
      ' ',
    ),
    { maxLength: 12 },
  );
  fuzz(
    'that is torn is told in one line, without a word of what is in it',
    torn.map((parts) => parts.join('')),
    (text) => {
      const { problems } = readConf(`PASSWORD='hunter2'\n${text}`, '/b.conf');
      for (const problem of problems.map(formatProblem)) {
        expect(problem).toMatch(/^\/b\.conf/);
        expect(problem).not.toContain('hunter2');
        expectOneLine(problem);
      }
    },
    40,
  );

  it('does nothing that a value says, when it is in quotes', async () => {
    const pwned = '/tmp/everthaw-fuzz-pwned';
    await rm(pwned, { force: true });
    const value = `$(touch ${pwned}); \`touch ${pwned}\` | touch ${pwned} > ${pwned}`;
    const { written } = readConf(`VMHOST='${value}'\nFOLDERPATH="$VMHOST"\n`, '/b.conf');
    expect(written.map((each) => each.value)).toEqual([value, value]);
    await expect(access(pwned)).rejects.toThrow();
  });
});

import fc from 'fast-check';
import { describe, expect } from 'vitest';
import { CONFIG_JS_OPTIONS, parseConfigJs } from '../../src/config/configJs.js';
import { formatProblem } from '../../src/config/problem.js';
import { configJs, configJsValues } from '../config/samples.js';
import { anyText, mutated } from './generators.js';
import { expectOneLine, fuzz } from './fuzz.js';

const SAMPLE = `// The proxy's own
BACKUPROOT="/mnt/a \\"b\\" \\u00e4";  /* where to */
HOST='vc.example.com';
PORT=443;
USERNAME="VMWARE\\\\backup";
PASSWORD="not // a comment";
TRANSPORT_MODE="nbdssl";
SNAPSHOT_POLICY="automatic";
VM_LOOKUP_METHOD="ipaddr";
PREEXISTING_MOUNTPOINT="fail";
MAX_RETRIES=3;
BACKOFF_TIME=0x10;
VERIFY_SSL_CERTIFICATES=1;
`;

function problemsOf(text: string): readonly string[] {
  const problems = parseConfigJs(text, '/c.js').problems.map(formatProblem);
  for (const problem of problems) {
    expect(problem).toMatch(/^\/c\.js(:\d+)?: ./);
    expectOneLine(problem);
  }
  return problems;
}

describe('config.js', () => {
  fuzz(
    'is understood, or each problem is told in one line with its place',
    mutated(SAMPLE),
    (text) => {
      problemsOf(text);
    },
    300,
  );

  fuzz('of any text at all gives no more than problems', anyText, (text) => {
    problemsOf(text);
    problemsOf(`PORT=${text}`);
    problemsOf(`HOST="${text}";`);
  });

  fuzz(
    'that is legal is legal whatever stands between its lines',
    fc.tuple(
      configJsValues,
      fc.constantFrom('\n', '\r\n', ';;', '\n// "\n', '/* ; */', '\t\u00a0\ufeff', '\u2028'),
    ),
    ([values, between]) => {
      const text = configJs(values).replaceAll(';\n', `;${between}`);
      expect(problemsOf(text)).toEqual([]);
      const { written } = parseConfigJs(text, '/c.js');
      const given = Object.entries(values).map(([option, value]) => [
        CONFIG_JS_OPTIONS.get(option),
        String(value),
      ]);
      expect(written.map(({ setting, value }) => [setting, String(value)])).toEqual(given);
    },
  );

  const TORN = [
    'S',
    '"S',
    "'S",
    'S"',
    '/S(/',
    '/S/gS',
    '#S',
    '`S`',
    '@S',
    '"a"S"',
    'S S',
    '"\\xS"',
    '{S}',
    'let S',
    '(S',
    '0S',
    '"a";let S;let S',
    '"a";S:S:;',
    '=S',
    '"a";break S',
    '"\\u{S}"',
    'S=>',
    '...S',
  ];
  fuzz(
    'tells nothing of a password that is not written as it should be',
    fc.tuple(fc.constantFrom(...TORN), fc.constantFrom('hunter2', 'hunter2[', 'hunter2 x', 'hunter2//')),
    ([form, secret]) => {
      const text = SAMPLE.replace(
        '"not // a comment"',
        form.replaceAll('S', () => secret),
      );
      for (const problem of problemsOf(text)) expect(problem).not.toContain('hunter2');
    },
    120,
  );
});

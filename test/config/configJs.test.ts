import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONFIG_JS_OPTIONS, parseConfigJs } from '../../src/config/configJs.js';
import { formatProblem } from '../../src/config/problem.js';
import { configJs, configJsValues } from './samples.js';

const problemsOf = (text: string): readonly string[] =>
  parseConfigJs(text, '/c.js').problems.map(formatProblem);

function valuesOf(text: string): Readonly<Record<string, unknown>> {
  const { written, problems } = parseConfigJs(text, '/c.js');
  expect(problems).toEqual([]);
  return Object.fromEntries(written.map(({ setting, value }) => [setting, value]));
}

describe('config.js', () => {
  it('is read as VCB’s own was written, with comments, escapes, either quotes, and Windows’ line ends', () => {
    const text = [
      '\uFEFF/* The proxy’s own.',
      '   HOST = "not this"; */',
      'BACKUPROOT="/mnt/a \\"b\\" \\u00e4";  // where to',
      "HOST='vc.example.com'",
      'PORT=8443;',
      'USERNAME = "VMWARE\\\\backup";;',
      'PASSWORD="// no comment; \'";',
      'MAX_RETRIES="3"; BACKOFF_TIME=0x10;',
      '',
    ].join('\r\n');
    expect(valuesOf(text)).toEqual({
      root: '/mnt/a "b" ä',
      host: 'vc.example.com',
      port: 8443,
      username: 'VMWARE\\backup',
      password: "// no comment; '",
      retries: 3,
      backoff: 16,
    });
  });

  it('says where each value stands', () => {
    const { written } = parseConfigJs('// one\n\nHOST="a";\nPORT=1;', '/c.js');
    expect(written.map(({ setting, from }) => [setting, from])).toEqual([
      ['host', '/c.js:3'],
      ['port', '/c.js:4'],
    ]);
  });

  it.each([
    ['PORT=99999;', '/c.js:1: PORT is 99999; allowed: a whole number from 1 to 65535'],
    ['PORT=1.5;', '/c.js:1: PORT is 1.5; allowed: a whole number from 1 to 65535'],
    ['PORT="";', '/c.js:1: PORT is ""; allowed: a whole number from 1 to 65535'],
    ['TRANSPORT_MODE="lan";', '/c.js:1: TRANSPORT_MODE is "lan"; allowed: one of san, nbd, nbdssl'],
    ['TRANSPORT_MODE="cos";', '/c.js:1: TRANSPORT_MODE is "cos"; allowed: one of san, nbd, nbdssl'],
    ['TRANSPORT_MODE="SAN";', '/c.js:1: TRANSPORT_MODE is "SAN"; allowed: one of san, nbd, nbdssl'],
    [
      'SNAPSHOT_POLICY="auto";',
      '/c.js:1: SNAPSHOT_POLICY is "auto"; allowed: one of automatic, manual, createonly, deleteonly',
    ],
    ['VM_LOOKUP_METHOD="uuid";', '/c.js:1: VM_LOOKUP_METHOD is "uuid"; allowed: one of ipaddr, name'],
    [
      'PREEXISTING_MOUNTPOINT="keep";',
      '/c.js:1: PREEXISTING_MOUNTPOINT is "keep"; allowed: one of fail, delete',
    ],
    ['PREEXISTING_VCB_SNAPSHOT=0;', '/c.js:1: PREEXISTING_VCB_SNAPSHOT is 0; allowed: one of fail, delete'],
    ['MAX_RETRIES="-1";', '/c.js:1: MAX_RETRIES is "-1"; allowed: a whole number from 0 to 1000000'],
    [
      'BACKOFF_TIME=31536001;',
      '/c.js:1: BACKOFF_TIME is 31536001; allowed: a whole number from 0 to 31536000',
    ],
    ['VERIFY_SSL_CERTIFICATES=2;', '/c.js:1: VERIFY_SSL_CERTIFICATES is 2; allowed: one of 0, 1'],
    [
      'HOST_THUMBPRINT="AB:CD";',
      '/c.js:1: HOST_THUMBPRINT is "AB:CD"; allowed: XX:XX:…, 20 bytes (SHA-1) or 32 (SHA-256)',
    ],
    ['HOST="a\\nb";', '/c.js:1: HOST is "a\\nb"; allowed: a text'],
    ['PASSWORD=12345;', '/c.js:1: PASSWORD is no text; allowed: a text'],
    ['TRANPORT_MODE="san";', '/c.js:1: unknown option "TRANPORT_MODE"; did you mean TRANSPORT_MODE?'],
    ['backuproot="/";', '/c.js:1: unknown option "backuproot"; did you mean BACKUPROOT?'],
    ['HOST="a";\nHOST="b";', '/c.js:2: HOST is given twice, first in line 1'],
    ['"unterminated', '/c.js:1: no JavaScript: Unterminated string constant'],
    ['HOST=', '/c.js:1: no JavaScript: Unexpected token'],
    ['HOST="a";\nPORT=\n\n', '/c.js:2: no JavaScript: Unexpected token'],
    ['/* never closed', '/c.js:1: no JavaScript: Unterminated comment'],
  ])('%j is refused: %s', (text, problem) => {
    expect(problemsOf(text)).toEqual([problem]);
  });

  it('an option that is like no other is told with all that there are', () => {
    const [problem = ''] = problemsOf('COLOUR="red";');
    for (const option of CONFIG_JS_OPTIONS.keys()) expect(problem).toContain(option);
  });

  it('tells all its problems at once, behind a line that is no JavaScript too', () => {
    expect(problemsOf('HOST="a;\nPORT="x";\n)\nMAX_RETRY=1;').map((each) => each.split(' ')[0])).toEqual([
      '/c.js:1:',
      '/c.js:3:',
      '/c.js:2:',
      '/c.js:4:',
    ]);
  });

  it.each([
    'HOST=require("os").hostname();',
    'HOST=`${globalThis.harmed = true}`;',
    'HOST=`vc`;',
    'HOST=(globalThis.harmed = true, "vc");',
    'HOST={ get a() { return (globalThis.harmed = true); } }.a;',
    'HOST="vc" + (globalThis.harmed = true);',
    'HOST=globalThis.harmed = true;',
    'HOST=(() => { globalThis.harmed = true; })();',
    'HOST=new Proxy({}, {});',
    'HOST=true;',
    'HOST=/a/;',
    'HOST=1n;',
    'globalThis.harmed = true;',
    '[HOST] = ["vc"];',
    'HOST += "vc";',
    'var HOST = "vc";',
    'if (true) HOST = "vc";',
    'import("os");',
    'import os from "os";',
    '"use strict";',
  ])('is never evaluated: %j is an error', (text) => {
    const { written, problems } = parseConfigJs(text, '/c.js');
    expect(written).toEqual([]);
    expect(problems.length).toBeGreaterThan(0);
    expect(globalThis).not.toHaveProperty('harmed');
  });

  it('that is nested without end is refused, not fatal', () => {
    for (const deep of [
      '('.repeat(200_000),
      `HOST=${'['.repeat(200_000)}`,
      '{'.repeat(200_000),
      'HOST=!'.padEnd(200_000, '!'),
    ])
      expect(problemsOf(deep).length).toBeGreaterThan(0);
  });

  it('comes back as it was written, whatever its texts are', () => {
    fc.assert(
      fc.property(configJsValues, (values) => {
        expect(valuesOf(configJs(values))).toEqual(
          Object.fromEntries(
            Object.entries(values).map(([option, value]) => [CONFIG_JS_OPTIONS.get(option), value]),
          ),
        );
      }),
    );
  });

  it('never throws and never takes long, whatever stands in it', () => {
    const piece = fc.constantFrom(
      ...'HOST PORT = "a" \' ` ${ } ( ) [ ] ; // /* */ \n \\ , 1 => class var . /'.split(' '),
      ' ',
    );
    const texts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join('')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const { written, problems } = parseConfigJs(text, '/c.js');
        for (const { from } of written) expect(from).toMatch(/^\/c\.js:\d+$/);
        for (const { what } of problems) expect(what).not.toContain('\n');
      }),
    );
    const startedAt = performance.now();
    parseConfigJs('"\n'.repeat(200_000), '/c.js');
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });
});

import fc from 'fast-check';

/** Names of VMs that are hostile to paths, shells, terminals, XML, JSON, patterns or programs' options. */
export const EVIL_NAMES = [
  '..',
  '.',
  'a/b',
  '../../etc/passwd',
  '/etc/passwd',
  'a\\b',
  '日本語のサーバー',
  `it's "quoted"`,
  'two\nlines',
  'end\r\n',
  '\u001b[2Jgone',
  'turned\u202eround',
  '$(touch pwned)',
  '`touch pwned`',
  '; touch pwned #',
  '-rf',
  '--help',
  '-oProxyCommand=touch pwned',
  ' ',
  ' x ',
  'x.',
  '%2F',
  '%',
  '100%25',
  '%VMNAME%',
  "$& $1 $$ $' $`",
  '__proto__',
  'constructor',
  'CON',
  '*?[a]',
  '<&>',
  ']]>',
  'é',
  'e\u0301',
  '\u0085\u009b31m',
  '😀👩‍👩‍👧',
  'x'.repeat(255),
] as const;

/** Enough for what goes deeper, or back, with each character to be seen. */
const LONG = 2000;

/** What is put where nobody expects it. */
const ODD = [
  ...EVIL_NAMES,
  ...['\0', '\ufeff', '\ud800', '\udc00', '\uffff', '\r', '\n', '\r\n', '\u2028', '\t', '\x7f', ''],
  ...[
    '"',
    "'",
    '\\',
    '${HOME}',
    '#',
    '//',
    '/*',
    '=',
    ':',
    ';',
    ',',
    '{',
    '}',
    '[',
    ']',
    '(',
    '&a',
    '*a',
    '!!x',
  ],
  ...['<', '>', '<a>', '</a>', '<!--', '-->', '<![CDATA[', '<?x', '&', '&#0;', '&#xd800;', '&#x110000;'],
  ...['&constructor;', '&b;', '<!DOCTYPE d [<!ENTITY b "bb">]>', '<__proto__/>', 'xmlns=""', 'a="b"'],
  ...['null', 'true', '[]', '{}', '""', '0', '-1', '1.5', '1e999', '-0', 'NaN', '0x10', '2147483648'],
  ...['9007199254740993', '99999999999999999999', '"__proto__":{}', '%zz', '%ff', '%00', '%0a', '@', 'ä'],
  ...['[[', '{"a":', '<a>', '\n', ' ', '\\', '"', '=\n', 'x', '.', '('].map((each) => each.repeat(LONG)),
] as const;

/** Any text: of any characters, halves of characters too, and of what is odd. */
export const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)) }),
  fc.constantFrom(...ODD),
  fc.array(fc.constantFrom(...ODD), { maxLength: 4 }).map((parts) => parts.join('')),
);

/** Any name that a hypervisor may give a VM: of whole characters, and no NUL, which no program could be told. */
export const vmNames = fc.oneof(
  fc.constantFrom(...EVIL_NAMES),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 255 }).map(withoutNul),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 }).map(withoutNul),
);

function withoutNul(text: string): string {
  return text.replaceAll('\0', '-');
}

const MOST = 10_000;
/** A place within a text, as a share of its length, whatever that is. */
const place = fc.nat(MOST);
/** Mostly a few characters. */
const length = fc.oneof(fc.nat(12), fc.nat(300));

type Change = (text: string) => string;

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(place, length).map(([from, count]) => cut(from, count, () => '')),
  fc
    .tuple(place, length, fc.constantFrom(2, 3, 100))
    .map(([from, count, times]) => cut(from, count, (piece) => piece.repeat(times))),
  fc.tuple(place, fc.constantFrom(...ODD)).map(([from, odd]) => cut(from, 0, () => odd)),
  fc.tuple(place, anyText).map(([from, odd]) => atWord(from, () => odd)),
  fc.tuple(place, place).map(([one, other]) => swap(one, other)),
  place.map((from) => (text: string) => text.slice(0, at(text, from))),
  fc.constant((text: string) => text.replaceAll('\n', '\r\n')),
  fc.constant((text: string) => `\ufeff${text}`),
);

/** Texts that were whole, with one to eight changes. */
export function mutated(...samples: readonly string[]): fc.Arbitrary<string> {
  return fc
    .tuple(fc.constantFrom(...samples), fc.array(change, { minLength: 1, maxLength: 8 }))
    .map(([sample, changes]) => changes.reduce((text, each) => each(text), sample));
}

function at(text: string, share: number): number {
  return Math.floor((text.length * share) / MOST);
}

function cut(share: number, count: number, instead: Change): Change {
  return (text) => {
    const from = at(text, share);
    return text.slice(0, from) + instead(text.slice(from, from + count)) + text.slice(from + count);
  };
}

/** Changes the first word behind a place. */
function atWord(share: number, instead: Change): Change {
  return (text) => {
    const from = at(text, share);
    return text.slice(0, from) + text.slice(from).replace(/\w+/, instead);
  };
}

/** Lets two lines change places. */
function swap(one: number, other: number): Change {
  return (text) => {
    const lines = text.split('\n');
    const [a, b] = [one, other].map((share) => Math.floor(((lines.length - 1) * share) / MOST)) as [
      number,
      number,
    ];
    [lines[a], lines[b]] = [lines[b] ?? '', lines[a] ?? ''];
    return lines.join('\n');
  };
}

/** JSON in which one to four values, wherever they stand, are something else, missing or there twice. */
export function mutatedJson(sample: unknown): fc.Arbitrary<string> {
  const value = fc.oneof(
    { weight: 3, arbitrary: anyText },
    fc.constantFrom(null, true, 0, -1, 1.5, 1e300, 2 ** 53, [], {}, [[]], [null], undefined),
    fc.constantFrom(nested(2000)),
    fc.object({ maxDepth: 2 }),
  );
  const changes = fc.array(fc.tuple(fc.array(fc.nat(50), { maxLength: 6 }), value), {
    minLength: 1,
    maxLength: 4,
  });
  return changes.map((each) => {
    const json = each.reduce((whole, [path, instead]) => replaced(whole, path, instead), sample);
    return json === undefined ? '' : JSON.stringify(json);
  });
}

function replaced(json: unknown, [step, ...rest]: readonly number[], instead: unknown): unknown {
  if (step === undefined || typeof json !== 'object' || json === null) return instead;
  if (Array.isArray(json)) {
    if (step > 40) return [...(json as unknown[]), ...(json as unknown[])];
    return json.map((each, index) =>
      index === step % json.length ? replaced(each, rest, instead) : (each as unknown),
    );
  }
  const entries = Object.entries(json);
  return Object.fromEntries(
    entries.map(([key, each], index) => [
      key,
      index === step % entries.length ? replaced(each, rest, instead) : (each as unknown),
    ]),
  );
}

function nested(depth: number): unknown {
  let inner: unknown = 1;
  for (let level = 0; level < depth; level++) inner = { a: inner };
  return inner;
}

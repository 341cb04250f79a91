import fc from 'fast-check';
import { declarationOf, type SettingName } from '../../src/config/settingTable.js';

/** A text without control characters, which no setting but a password may have. */
export const text = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
  .filter((value) => !/\p{Cc}/u.test(value));
const words = (...allowed: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...allowed);
const bytes = fc
  .integer({ min: 0, max: 255 })
  .map((byte) => byte.toString(16).toUpperCase().padStart(2, '0'));
const thumbprint = fc
  .oneof(fc.array(bytes, { minLength: 20, maxLength: 20 }), fc.array(bytes, { minLength: 32, maxLength: 32 }))
  .map((each) => each.join(':'));

/** Some options of config.js with values that are allowed. */
export const configJsValues = fc.record(
  {
    BACKUPROOT: fc.stringMatching(/^(\/[a-z "'\\$`]{1,9}){1,3}$/),
    HOST: text,
    PORT: fc.integer({ min: 1, max: 65_535 }),
    USERNAME: text,
    PASSWORD: fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }),
    TRANSPORT_MODE: words('san', 'nbd', 'nbdssl'),
    SNAPSHOT_POLICY: words('automatic', 'manual', 'createonly', 'deleteonly'),
    VM_LOOKUP_METHOD: words('ipaddr', 'name'),
    PREEXISTING_MOUNTPOINT: words('fail', 'delete'),
    PREEXISTING_VCB_SNAPSHOT: words('fail', 'delete'),
    MAX_RETRIES: fc.nat({ max: 1_000_000 }),
    BACKOFF_TIME: fc.integer({ min: 1, max: 100_000 }),
    VERIFY_SSL_CERTIFICATES: words('0', '1'),
    HOST_THUMBPRINT: thumbprint,
  },
  { requiredKeys: [] },
);

/** Writes config.js. */
export function configJs(values: object): string {
  return Object.entries(values)
    .map(([option, value]) => `${option} = ${JSON.stringify(value)};\n`)
    .join('');
}

/** Some variables of backuptools.conf with values that are allowed. */
export const confValues = fc.record(
  {
    VCHOST: text,
    USERNAME: text,
    // The shell's variables hold no NUL.
    PASSWORD: fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
      .map((value) => value.replaceAll('\0', ''))
      .filter((value) => value !== ''),
    HOST_THUMBPRINT: thumbprint,
    DSPATH: text,
    VMHOST: text,
    RESOURCEPOOL: text,
    FOLDERPATH: text,
  },
  { requiredKeys: [] },
);

/** Writes backuptools.conf: in single quotes the shell leaves everything alone. */
export function conf(values: Readonly<Record<string, string | undefined>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}='${(value ?? '').replaceAll("'", `'\\''`)}'\n`)
    .join('');
}

/** A value that a setting may have. */
export function valueOf(name: SettingName): fc.Arbitrary<string | number | boolean | object> {
  const { kind } = declarationOf(name);
  switch (kind.is) {
    case 'timeZone':
      return fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York');
    case 'wholeNumber':
      return fc.integer({ min: kind.from, max: kind.to });
    case 'oneOf':
      return fc.constantFrom(...kind.words);
    case 'yesNo':
      return fc.boolean();
    case 'map':
      return fc.dictionary(fc.stringMatching(/^[a-z0-9-]{1,12}$/), text, { maxKeys: 3 });
    case 'secret':
      return fc.string({ unit: 'binary', minLength: 1, maxLength: 20 });
    case 'path':
    case 'destination':
      return fc.stringMatching(/^(\/[a-z "'#:$-]{0,6}[a-z]){1,3}$/);
    case 'text':
      return kind.shape === undefined
        ? text
        : fc.constantFrom(...SHAPED.filter((each) => kind.shape?.test(each)));
  }
}

const SHAPED = [
  '/var/scratch',
  '/a b: #c',
  '127.0.0.1:9464',
  '[::1]:1',
  Array(20).fill('0a').join(':'),
  Array(32).fill('F0').join(':'),
];

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalUuid, formatVmSpec, namesMany, parseVmSpec } from '../../src/domain/vmSpec.js';

const UUID = '564d1234-5678-9abc-def0-0123456789ab';
const anyText = fc.string({ unit: 'binary', minLength: 1, maxLength: 100 });

describe('a VM spec', () => {
  it('names a VM by any name at all: it comes back as it was said', () => {
    fc.assert(
      fc.property(anyText, (value) => {
        const spec = { kind: 'name', value } as const;
        expect(parseVmSpec(formatVmSpec(spec))).toEqual(spec);
      }),
    );
  });

  it('comes back as it was written, of every other kind', () => {
    const specs = fc.oneof(
      fc.uuid().map((value) => ({ kind: 'uuid', value }) as const),
      fc.ipV6().map((value) => ({ kind: 'ipaddr', value }) as const),
      fc.nat().map((number) => ({ kind: 'moref', value: `vm-${number}` }) as const),
      fc.constantFrom('on', 'off', 'suspended').map((value) => ({ kind: 'powerstate', value }) as const),
      fc.constantFrom('any', 'none').map((kind) => ({ kind, value: '' }) as const),
    );
    fc.assert(
      fc.property(specs, (spec) => {
        expect(parseVmSpec(formatVmSpec(spec))).toEqual(spec);
      }),
    );
  });

  it('takes a text without a kind for what the caller says: a name, or an address', () => {
    for (const word of ['db1', 'any', 'My VM: two', '2024:web', ' x '])
      expect(parseVmSpec(word)).toEqual({ kind: 'name', value: word });
    for (const word of ['db1.example.com', '10.0.0.7', 'fe80::1', 'dead:beef::1'])
      expect(parseVmSpec(word, 'ipaddr')).toEqual({ kind: 'ipaddr', value: word });
    expect(parseVmSpec('name:db1', 'ipaddr')).toEqual({ kind: 'name', value: 'db1' });
  });

  it.each([
    ['nmae:x', 'did you mean name:x'],
    ['Name:x', 'did you mean name:x'],
    ['ipadr:10.0.0.7', 'did you mean ipaddr:10.0.0.7'],
    ['powerstat:on', 'did you mean powerstate:on'],
    ['all:', 'A VM of that name is name:all:'],
    ['web:1', 'A VM of that name is name:web:1'],
    ['powerstate:running', 'write powerstate:on|off|suspended'],
    ['any:thing', 'nothing can stand behind any:'],
    ['uuid:12', '32 hexadecimal digits'],
    ['name:', 'names no VM'],
    ['moref: ', 'names no VM'],
    ['', 'names no VM'],
  ])('is refused where it says nothing that can be meant: %j, with %j', (text, told) => {
    expect(() => parseVmSpec(text)).toThrow(told);
    expect(() => parseVmSpec(text)).toThrow(expect.objectContaining({ code: 'WrongUsage' }));
  });

  it('knows which specs can name many', () => {
    expect(
      ['any:', 'none:', 'powerstate:off', 'name:any', 'moref:1'].map((each) => namesMany(parseVmSpec(each))),
    ).toEqual([true, true, true, false, false]);
  });
});

describe('a uuid', () => {
  it.each([
    UUID,
    UUID.toUpperCase(),
    UUID.replaceAll('-', ''),
    `{${UUID}}`,
    '56 4d 12 34 56 78 9a bc-de f0 01 23 45 67 89 ab',
  ])('is one in every form: %s', (form) => {
    expect(canonicalUuid(form)).toBe(UUID);
    expect(parseVmSpec(`uuid:${form}`)).toEqual({ kind: 'uuid', value: UUID });
  });
});

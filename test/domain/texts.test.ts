import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatCatalog, parseCatalog } from '../../src/domain/catalog.js';
import { EverthawError } from '../../src/domain/errors.js';
import { fileNameOf, vmNameOf } from '../../src/domain/fileName.js';
import { formatBytes, formatDuration } from '../../src/domain/format.js';
import { parseTransport } from '../../src/domain/transport.js';

describe('a VM’s name as a file name', () => {
  it('comes back as the name, and is one harmless path component', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), (name) => {
        const fileName = fileNameOf(name);
        expect(vmNameOf(fileName)).toBe(name);
        expect(fileName).not.toMatch(/[/\\\0]/);
        expect(['.', '..', '']).not.toContain(fileName);
      }),
    );
  });

  it.each([
    ['db1', 'db1'],
    ['..', '%2E%2E'],
    ['a/b', 'a%2Fb'],
    ['100%', '100%25'],
    ['デー タ', 'デー タ'],
    ['line\nbreak', 'line%0Abreak'],
  ])('%j becomes %j', (name, fileName) => {
    expect(fileNameOf(name)).toBe(fileName);
  });

  it('is refused where it is empty or too long', () => {
    expect(() => fileNameOf('')).toThrow(EverthawError);
    expect(() => fileNameOf('x'.repeat(255))).toThrow(/255 bytes/);
  });
});

describe('a catalog', () => {
  const keys = fc.stringMatching(/^[a-z0-9.:]{1,20}$/);

  it('comes back as it was written, unknown keys and strange values included', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(keys, fc.string({ unit: 'binary' }))), (entries) => {
        const catalog = new Map(entries);
        expect(parseCatalog(formatCatalog(catalog), 'catalog')).toEqual(catalog);
      }),
    );
  });

  it('names the line that cannot be read', () => {
    expect(() => parseCatalog('version= "1"\n\nnonsense\n', '/b/catalog')).toThrow(/\/b\/catalog, line 3/);
  });
});

describe('what a user types', () => {
  it('a transport that is not built yet is told apart from one that does not exist', () => {
    expect(parseTransport('nbdssl')).toEqual({ mode: 'nbdssl', via: 'lease' });
    expect(() => parseTransport('san')).toThrow(/not built yet/);
    expect(() => parseTransport('carrier pigeon')).toThrow(/no such transport/);
  });
});

describe('figures for people', () => {
  it.each([
    [0, '0 B'],
    [1536, '1.5 KiB'],
    [20 * 1024 ** 3, '20 GiB'],
  ])('%i bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it.each([
    [7, '7 ms'],
    [1500, '1.5 s'],
    [83_000, '1 min 23 s'],
    [7_260_000, '2 h 1 min'],
  ])('%i ms are %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});

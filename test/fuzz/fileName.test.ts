import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fileNameOf, vmNameOf } from '../../src/domain/fileName.js';
import { anyText, EVIL_NAMES, vmNames } from './generators.js';
import { clearly, fuzz } from './fuzz.js';

describe('a VM’s name as a file name', () => {
  fuzz(
    'is one component of a path that says the name, or is refused for its length',
    vmNames,
    (name) => {
      const file = clearly(() => fileNameOf(name), 'as a file name');
      if (file === undefined) return;
      expect(vmNameOf(file)).toBe(name);
      expect(dirname(join('/root', file))).toBe('/root');
      expect(['', '.', '..']).not.toContain(file);
      expect(Buffer.byteLength(`${file}-fullVM.partial-${'0'.repeat(36)}`)).toBeLessThanOrEqual(255);
      // What a file system keeps is UTF-8.
      expect(Buffer.from(file).toString()).toBe(file);
      expect(file).not.toMatch(/[\p{Cc}/\\]/u);
    },
    500,
  );

  fuzz('is nobody else’s', fc.tuple(anyText, anyText), ([one, other]) => {
    const [a, b] = [one, other].map((name) => clearly(() => fileNameOf(name))?.normalize()) as [
      string?,
      string?,
    ];
    if (a !== undefined && one.normalize() !== other.normalize()) expect(a).not.toBe(b);
  });

  it.each(EVIL_NAMES.filter((name) => name.length < 255))('comes back from %j', (name) => {
    expect(vmNameOf(fileNameOf(name))).toBe(name);
  });
});

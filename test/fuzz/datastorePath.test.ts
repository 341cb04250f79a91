import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { folderUrl, formatDatastorePath, parseDatastorePath } from '../../src/hosts/vsphere/datastorePath.js';
import { directoryOfUrl, labelOnHost, parseStoragePath } from '../../src/hosts/vsphere/datastoreLabel.js';
import { decodeName, encodeName } from '../../src/hosts/vsphere/inventory.js';
import { anyText, mutated, vmNames } from './generators.js';
import { clearly, fuzz } from './fuzz.js';

const HOST = new URL('https://vc.example.com/sdk');
const SAMPLES = [
  '[LocalDS_0] db/db.vmdk',
  '[a b] x',
  '/vmfs/volumes/5f-1/db/db.vmdk',
  'ds:///vmfs/volumes/5f/db.vmdk',
];

/** What is asked of the host is a file of that datastore, and nothing else of the host. */
function check(text: string): void {
  for (const parse of [parseDatastorePath, parseStoragePath]) {
    const found = clearly(() => parse(text), 'it is not of the form "[datastore] path"');
    if (found === undefined) continue;
    const url = clearly(() => folderUrl(HOST, 'DC0', found.datastore, found.path));
    if (url === undefined) continue;
    expect(url.origin).toBe(HOST.origin);
    expect(url.pathname.split('/').slice(0, 2)).toEqual(['', 'folder']);
    expect(decodeURIComponent(url.pathname.slice('/folder/'.length))).toBe(found.path);
    expect([...url.searchParams]).toEqual([
      ['dcPath', 'DC0'],
      ['dsName', found.datastore],
    ]);
    expect(url.hash).toBe('');
  }
}

describe('a path of a datastore', () => {
  fuzz('is one, or is refused', mutated(...SAMPLES), check, 250);
  fuzz('of any text is one, or is refused', anyText, (text) => {
    check(text);
    check(`[ds] ${text}`);
    check(`[${text}] a`);
    check(`/vmfs/volumes/${text}`);
  });

  fuzz(
    'comes back as it was written',
    fc.tuple(fc.stringMatching(/^[^\]\r\n]{1,20}$/), fc.stringMatching(/^[^\s][^\r\n]{0,20}$/)),
    ([datastore, path]) => {
      expect(parseDatastorePath(formatDatastorePath(datastore, path))).toEqual({ datastore, path });
    },
  );

  fuzz('is of a datastore by its label or uuid', fc.tuple(anyText, anyText), ([label, url]) => {
    expect(labelOnHost(label, [{ label, url }], [])).toBe(label);
    expect(typeof directoryOfUrl(url)).toBe('string');
  });

  it.each(['../../sdk', '..', 'a/../../b', './a', 'a/.'])('leads nowhere else: %s', (path) => {
    expect(() => folderUrl(HOST, 'DC0', 'ds', path)).toThrow(expect.objectContaining({ code: 'WrongUsage' }));
  });
});

describe('a name in vCenter’s own form', () => {
  fuzz('comes back', vmNames, (name) => {
    expect(decodeName(encodeName(name))).toBe(name);
  });

  fuzz('of any text is a name', anyText, (name) => {
    expect(typeof decodeName(name)).toBe('string');
  });
});

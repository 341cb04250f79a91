import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatCatalog, parseCatalog } from '../../src/domain/catalog.js';
import { EverthawError } from '../../src/domain/errors.js';
import type { Manifest } from '../../src/domain/manifest.js';
import { placeWish } from '../../src/domain/placeWish.js';
import { printable } from '../../src/domain/printable.js';
import { labelOnHost, parseStoragePath } from '../../src/hosts/vsphere/datastoreLabel.js';

const MANIFEST = {
  vm: { name: 'web', folderPath: '/DC0/vm', resourcePool: '/DC0/pool', host: 'esx1' },
  disks: [
    { label: 'scsi0:0', file: 'scsi0-0.vmdk', originalPath: '[a] web/web.vmdk' },
    { label: 'scsi0:1', file: 'scsi0-1.vmdk', originalPath: '[a] web/web_1.vmdk' },
  ],
} as unknown as Manifest;

describe('places by a catalog', () => {
  it('are its words; what it lacks is by the defaults, else by the manifest', () => {
    const catalog = new Map([
      ['config.vmx', '[b] dir/web server.vmx'],
      ['disk.scsi0:1.diskname', '[c] elsewhere/two.vmdk'],
      ['folderpath', ''],
    ]);
    expect(placeWish(MANIFEST, catalog, {}).places).toEqual({
      folderPath: '/DC0/vm',
      resourcePool: '/DC0/pool',
      configPath: '[b] dir/web server.vmx',
      diskPaths: { 'scsi0:0': '[a] web/web.vmdk', 'scsi0:1': '[c] elsewhere/two.vmdk' },
    });
    const defaults = {
      dsPath: '[oldvms] %VMNAME%',
      vmHost: 'esx9',
      resourcePool: '/DC0/host/%VMHOST%/Resources',
      folderPath: '/DC0/vm/old',
    };
    expect(placeWish(MANIFEST, catalog, defaults).places).toEqual({
      folderPath: '/DC0/vm/old',
      resourcePool: '/DC0/host/esx9/Resources',
      host: 'esx9',
      configPath: '[b] dir/web server.vmx',
      diskPaths: { 'scsi0:0': '[oldvms] web server/web.vmdk', 'scsi0:1': '[c] elsewhere/two.vmdk' },
    });
  });

  it('name no host where nobody asks for another', () => {
    expect(placeWish(MANIFEST, new Map([['host', 'esx1']]), {}).places).not.toHaveProperty('host');
    expect(placeWish(MANIFEST, new Map([['host', 'esx2']]), {}).places.host).toBe('esx2');
  });
});

describe('a catalog of any text', () => {
  it('is read, or refused with one clear error', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.constantFrom('a= "b"', 'a= "', '"', '#'))), (lines) => {
        try {
          const catalog = parseCatalog(lines.join('\n'), 'catalog');
          expect(parseCatalog(formatCatalog(catalog), 'catalog')).toEqual(catalog);
        } catch (error) {
          expect(error).toBeInstanceOf(EverthawError);
          expect((error as Error).message).not.toMatch(/[\r\n]/);
        }
      }),
    );
  });
});

describe('a datastore', () => {
  const here = [
    { label: 'fast', url: 'ds:///vmfs/volumes/4f1-aa/' },
    { label: 'slow', url: 'ds:///vmfs/volumes/4f1-bb/' },
  ];

  it('is found by its label, by its uuid here, or by the label that its uuid had', () => {
    const then = [{ label: 'slow', url: 'ds:///vmfs/volumes/old-uuid/' }];
    expect(labelOnHost('fast', here, then)).toBe('fast');
    expect(labelOnHost('4f1-bb', here, then)).toBe('slow');
    expect(labelOnHost('old-uuid', here, then)).toBe('slow');
    expect(labelOnHost('burnt', here, then)).toBeUndefined();
    expect(
      labelOnHost('old-uuid', here, [{ label: 'burnt', url: 'ds:///vmfs/volumes/old-uuid/' }]),
    ).toBeUndefined();
  });

  it.each([
    ['[fast] web/web.vmdk', 'fast', 'web/web.vmdk'],
    ['[4f1-aa] web/web.vmdk', '4f1-aa', 'web/web.vmdk'],
    ['/vmfs/volumes/4f1-aa/web/web.vmdk', '4f1-aa', 'web/web.vmdk'],
    ['ds:///vmfs/volumes/4f1-aa/web/日本 "語".vmdk', '4f1-aa', 'web/日本 "語".vmdk'],
    ['[fast]', 'fast', ''],
  ])('path %j is taken apart', (text, datastore, path) => {
    expect(parseStoragePath(text)).toEqual({ datastore, path });
  });

  it.each(['', 'web/web.vmdk', '/images/web', '[] x', '[open'])('path %j is refused', (text) => {
    expect(() => parseStoragePath(text)).toThrow(/it is not of the form/);
  });
});

it('a text for a terminal stays on its line and steers nothing', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(printable(text)).not.toMatch(/[\p{Cc}\u2028\u2029\u202e]/u);
    }),
  );
  expect(printable('日本語 "a/b"')).toBe('日本語 "a/b"');
});

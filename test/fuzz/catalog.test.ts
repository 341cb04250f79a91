import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatCatalog, parseCatalog } from '../../src/domain/catalog.js';
import { catalogFaults } from '../../src/domain/catalogFaults.js';
import { placeWish, restoreWish } from '../../src/domain/placeWish.js';
import { manifestOf } from './manifests.js';
import { anyText, mutated, vmNames } from './generators.js';
import { clearly, expectOneLine, fuzz } from './fuzz.js';

const SAMPLE = `version= "1"
display_name= "db \\"one\\" \\\\ two\\nlines"
state= "on"
host= "esx1.example.com"
folderpath= "/DC0/vm/a%2fb"
resourcepool= "/DC0/host/h/Resources"
config.vmx= "[LocalDS_0] db/db.vmx"
disk.scsi0:0.diskname= "[LocalDS_0] db/db.vmdk"
disk.scsi0:0.filename= "scsi0-0.vmdk"
# by hand
timestamp= "2026-11-22T18:11:48Z"
`;
const MANIFEST = manifestOf('db');

describe('a catalog', () => {
  fuzz(
    'is read, and what was read comes back, or the error names file and line',
    mutated(SAMPLE),
    (text) => {
      const catalog = clearly(() => parseCatalog(text, '/b/catalog'), 'read catalog /b/catalog, line ');
      if (catalog === undefined) return;
      expect(parseCatalog(formatCatalog(catalog), '')).toEqual(catalog);
      for (const fault of catalogFaults(catalog, MANIFEST)) expect(fault).toContain('catalog says');
      const wish = clearly(() => placeWish(MANIFEST, catalog, {}), 'by its catalog');
      if (wish === undefined) return;
      expect(Object.keys(wish.places.diskPaths)).toEqual(['scsi0:0']);
      expect(restoreWish(MANIFEST, wish).disks).toHaveLength(1);
    },
    300,
  );

  fuzz('of any text is read or refused', anyText, (text) => {
    clearly(() => parseCatalog(text, '/b/catalog'), '/b/catalog, line ');
  });

  const keys = fc.oneof(
    fc.constantFrom('__proto__', 'constructor', '-', '日本'),
    fc.stringMatching(/^[a-z0-9.:_-]{1,20}$/),
  );
  fuzz('comes back as it was written', fc.array(fc.tuple(keys, anyText)), (entries) => {
    const catalog = new Map(entries);
    expect(parseCatalog(formatCatalog(catalog), '')).toEqual(catalog);
  });

  fuzz('puts a VM of any name where DSPATH says', fc.tuple(vmNames, vmNames), ([name, host]) => {
    const { places } = placeWish(
      manifestOf(name, { host }),
      new Map([['config.vmx', `[old] d/${name}.vmx`]]),
      {
        dsPath: '[new] at %VMNAME%',
        resourcePool: '%VMHOST%/pool',
      },
    );
    const base = name.slice(name.lastIndexOf('/') + 1).replace(/\.vmx$/i, '');
    expect(places.diskPaths['scsi0:0']).toBe(`[new] at ${base}/db.vmdk`);
    expect(places.resourcePool).toBe(`${host}/pool`);
  });

  it('may have one value of 4 MiB', () => {
    const catalog = new Map([['a', '\\'.repeat(2 * 1024 * 1024)]]);
    expect(parseCatalog(formatCatalog(catalog), '')).toEqual(catalog);
  });

  it('that is one torn line of 4 MiB is refused in a short one', () => {
    const text = `a= "${'\u001b\\'.repeat(2 * 1024 * 1024)}`;
    try {
      parseCatalog(text, '/c');
      expect.unreachable();
    } catch (error) {
      expectOneLine((error as Error).message);
    }
  });
});

import { describe, expect, it } from 'vitest';
import { mapDatastores } from '../../src/domain/datastoreMap.js';
import type { Manifest } from '../../src/domain/manifest.js';

const UUID = '5f1c2d3e-8a9b0c1d-2e3f-001a2b3c4d5e';

function manifest(...paths: readonly string[]): Manifest {
  return {
    vm: { folderPath: '/DC0/vm', resourcePool: '/DC0/host/c/Resources' },
    disks: paths.map((originalPath, index) => ({ label: `scsi0:${index}`, originalPath })),
    datastores: [{ label: 'old', url: `ds:///vmfs/volumes/${UUID}/` }],
  } as unknown as Manifest;
}

describe('a map of datastores', () => {
  it.each([
    ['[old] web/web.vmdk', { old: 'new' }, '[new] web/web.vmdk'],
    [`/vmfs/volumes/${UUID}/web/web.vmdk`, { [UUID]: 'new' }, '[new] web/web.vmdk'],
    [`[${UUID}] web/web.vmdk`, { old: 'new' }, '[new] web/web.vmdk'],
    ['/vmfs/volumes/old/web/web.vmdk', { old: 'a [b' }, '[a [b] web/web.vmdk'],
  ])('takes %s by %j to %s', (path, map, target) => {
    const { places, notes } = mapDatastores(manifest(path), undefined, map);
    expect(places).toEqual({
      folderPath: '/DC0/vm',
      resourcePool: '/DC0/host/c/Resources',
      diskPaths: { 'scsi0:0': target },
    });
    expect(notes).toHaveLength(1);
  });

  it.each([
    ['[old] web.vmdk', { OLD: 'new' }],
    ['/images/old/web.qcow2', { old: 'new' }],
    ['[constructor] web.vmdk', {}],
  ])('leaves %s where it is by %j', (path, map) => {
    expect(mapDatastores(manifest(path), undefined, map)).toEqual({ places: undefined, notes: [] });
  });

  it('moves what it names, and keeps all else that was wished for', () => {
    const wished = {
      ...{
        folderPath: '/DC0/vm/archive',
        resourcePool: '/pool',
        host: 'esx1',
        configPath: '[old] web/web.vmx',
      },
      diskPaths: { 'scsi0:0': '[old] web/web.vmdk', 'scsi0:1': '[other] web/data.vmdk' },
    };
    const { places, notes } = mapDatastores(manifest('[old] a', '[old] b'), wished, { old: 'new' });
    expect(places).toEqual({
      ...wished,
      configPath: '[new] web/web.vmx',
      diskPaths: { 'scsi0:0': '[new] web/web.vmdk', 'scsi0:1': '[other] web/data.vmdk' },
    });
    expect(notes).toEqual(['what was on datastore "old" goes to "new"']);
  });
});

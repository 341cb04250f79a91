import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Manifest } from '../../src/domain/manifest.js';
import { makeDisk, sha256, type LabDisk } from '../lab/disks.js';
import { LabEverthaw } from '../lab/everthaw.js';
import { LabVcenter } from '../lab/vcenter.js';
import { labTemporal } from '../lab/temporal.js';

let system: LabDisk;
let data: LabDisk;
let vcenter: LabVcenter;
let everthaw: LabEverthaw;

beforeAll(async () => {
  system = await makeDisk('system', 256, 24);
  data = await makeDisk('data', 64, 8);
  vcenter = await LabVcenter.start([
    { name: 'web', disks: [{ ...system, unit: 0 }], ip: '10.0.0.7' },
    {
      name: 'db',
      disks: [
        { ...system, unit: 0 },
        { ...data, unit: 1 },
      ],
    },
  ]);
  everthaw = await LabEverthaw.create(vcenter, labTemporal());
  await everthaw.startWorker();
}, 120_000);

afterAll(async () => {
  await everthaw.remove();
  await vcenter.stop();
});

describe('a backup by export lease', () => {
  it('restores a VM with two disks to the same bytes', async () => {
    const directory = join(everthaw.backups, 'db-fullVM');
    const backup = await everthaw.everthaw('backup', 'db', '--root', everthaw.backups, '--json');
    expect(backup).toMatchObject({ code: 0, stderr: '' });
    const manifest = JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')) as Manifest;
    expect(manifest.disks.map(({ label }) => label)).toEqual(['scsi0:0', 'scsi0:1']);
    await access(join(directory, 'catalog'));
    expect((await vcenter.vm('db')).snapshots ?? []).toEqual([]);
    await vcenter.govc('vm.destroy', 'db');
    const restore = await everthaw.everthaw('restore', directory);
    expect(restore).toMatchObject({ code: 0, stderr: '' });
    const restored = await vcenter.vm('db');
    for (const [index, disk] of [system, data].entries()) {
      const path = restored.disks?.[index]?.path ?? '';
      const file = join(everthaw.directory, `read-back-${index}.raw`);
      await vcenter.govc(
        'datastore.download',
        path.replace(/^\[[^\]]+\] /, '').replace(/\.vmdk$/, '-flat.vmdk'),
        file,
      );
      expect(await sha256(file)).toBe(await sha256(disk.raw));
    }
  });
});

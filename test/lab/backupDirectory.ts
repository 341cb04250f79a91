import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatCatalog } from '../../src/domain/catalog.js';
import type { Manifest, ManifestFile } from '../../src/domain/manifest.js';

export const CAPACITY_BYTES = 64 * 1024;
const DISK = 'virtio0-0.raw';

/** A backup of a VM with one small raw disk, as the product writes it, made without a host. `change` spoils it. */
export async function writeBackup(
  directory: string,
  name: string,
  change: (manifest: Manifest) => unknown = (manifest) => manifest,
): Promise<void> {
  await mkdir(directory, { recursive: true });
  const disk = Buffer.alloc(CAPACITY_BYTES, name === '' ? '-' : name);
  const [pointInTime, uuid] = ['2026-11-22T18:11:48Z', '50c429f0-d790-5d9d-9f6a-740d2ab1154a'];
  const vm = {
    name,
    powerState: 'off',
    folderPath: '/DC0/vm',
    resourcePool: '/DC0/host/h/Resources',
    host: 'h',
  };
  const originalPath = '/images/disk.raw';
  const catalog = formatCatalog(
    new Map([
      ['version', '1'],
      ['display_name', name],
      ['state', vm.powerState],
      ['host', vm.host],
      ['folderpath', vm.folderPath],
      ['resourcepool', vm.resourcePool],
      ['disk.virtio0:0.diskname', originalPath],
      ['disk.virtio0:0.filename', DISK],
      ['uuid.bios', uuid],
      ['uuid.instance', uuid],
      ['consistency', 'crash'],
      ['timestamp', pointInTime],
    ]),
  );
  const files: ManifestFile[] = [];
  for (const [path, role, data] of [
    [DISK, 'disk', disk],
    ['catalog', 'catalog', Buffer.from(catalog)],
  ] as const) {
    await writeFile(join(directory, path), data);
    const sha256 = createHash('sha256').update(data).digest('hex');
    files.push({ path, role, sizeBytes: data.length, sha256 });
  }
  const manifest: Manifest = {
    ...{ format: 'everthaw/1', everthawVersion: '0.1.0', kind: 'image-full', runId: 'r', workflowId: 'w' },
    host: { uuid: 'h', product: 'QEMU', address: 'qemu:///system' },
    vm: { ...vm, instanceUuid: uuid, biosUuid: uuid, configuration: {} },
    ...{ pointInTime, consistency: 'crash', transport: { mode: 'nbd', via: 'export' }, datastores: [] },
    disks: [{ label: 'virtio0:0', capacityBytes: CAPACITY_BYTES, file: DISK, format: 'raw', originalPath }],
    files,
  };
  await writeFile(join(directory, 'manifest.json'), `${JSON.stringify(change(manifest), undefined, 2)}\n`);
}

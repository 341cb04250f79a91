import type { Manifest } from '../../src/domain/manifest.js';

/** The manifest of a VM with one disk, as a backup of vSphere has it. */
export function manifestOf(name: string, vm: Partial<Manifest['vm']> = {}): Manifest {
  const uuid = '50c429f0-d790-5d9d-9f6a-740d2ab1154a';
  return {
    format: 'everthaw/1',
    everthawVersion: '0.1.0',
    kind: 'image-full',
    runId: uuid,
    workflowId: `vm/${uuid}/${uuid}`,
    host: { uuid, product: 'VMware vCenter Server 6.5.0', address: 'vc.example.com' },
    vm: {
      name,
      instanceUuid: uuid,
      biosUuid: uuid,
      powerState: 'on',
      folderPath: '/DC0/vm',
      resourcePool: '/DC0/host/h/Resources',
      host: 'esx1.example.com',
      configuration: { guestId: 'otherLinux64Guest', cpus: 1, memoryMB: 256, extraConfig: { a: 'b' } },
      ...vm,
    },
    pointInTime: '2026-11-22T18:11:48Z',
    consistency: 'crash',
    transport: { mode: 'nbdssl', via: 'lease' },
    datastores: [{ label: 'LocalDS_0', url: 'ds:///vmfs/volumes/5f/', kind: 'VMFS', freeBytes: 1 }],
    disks: [
      {
        label: 'scsi0:0',
        capacityBytes: 1 << 20,
        file: 'scsi0-0.vmdk',
        format: 'vmdk-stream-optimized',
        originalPath: '[LocalDS_0] db/db.vmdk',
      },
    ],
    files: [
      { path: 'scsi0-0.vmdk', role: 'disk', sizeBytes: 4096, sha256: 'a'.repeat(64) },
      { path: 'catalog', role: 'catalog', sizeBytes: 12, sha256: 'b'.repeat(64) },
    ],
  };
}

import { expect, it } from 'vitest';
import { parseFstab, volumesOf } from '../../src/volumes/mountPoints.js';

const DISKS = ['scsi0:0', 'scsi0:1', 'virtio0:0', 'nvme0:0'];
const VOLUMES = ['scsi0:0/1', 'scsi0:1', 'virtio0:0/2', 'nvme0:0/3'].map((id) => ({
  id,
  disk: id.replace(/\/.*/, ''),
  offsetBytes: 0,
  sizeBytes: 1,
  uuid: `AB-${id.length}`,
  label: `on ${id}`,
  partUuid: `ff-${id}`,
  partLabel: `part ${id}`,
}));

it('an fstab says which file systems of disks are mounted where', () => {
  const text = `
# comment
UUID=1 / ext4 defaults 0 1
/dev/sda2 none swap sw
proc /proc proc
server:/x /x nfs
UUID=1 /home btrfs rw,subvol=@home`;
  expect(parseFstab(text)).toEqual([
    { device: 'UUID=1', mountPoint: '/', isPart: false },
    { device: 'UUID=1', mountPoint: '/home', isPart: true },
  ]);
  expect(parseFstab('LABEL="data" /with\\040space ext4')).toEqual([
    { device: 'LABEL=data', mountPoint: '/with space', isPart: false },
  ]);
  expect(parseFstab('/dev/sda1 /a/../\\056\\056/../b/ ext4\n/dev/sda2 /nul\\000 ext4')).toEqual([
    { device: '/dev/sda1', mountPoint: '/b', isPart: false },
  ]);
});

it.each([
  ['UUID=ab-9', ['scsi0:0/1', 'nvme0:0/3']],
  ['LABEL=on scsi0:1', ['scsi0:1']],
  ['LABEL=ON scsi0:1', []],
  ['/dev/disk/by-partuuid/FF-scsi0:1', ['scsi0:1']],
  ['PARTLABEL=part scsi0:1', ['scsi0:1']],
  ['/dev/sda1', ['scsi0:0/1']],
  ['/dev/sdb', ['scsi0:1']],
  ['/dev/vda2', ['virtio0:0/2']],
  ['/dev/nvme0n1p3', ['nvme0:0/3']],
  ['/dev/sdc', []],
  ['/dev/mapper/vg-root', []],
])('%s means the volumes that it names', (device, ids) => {
  expect(volumesOf(device, VOLUMES, DISKS).map(({ id }) => id)).toEqual(ids);
});

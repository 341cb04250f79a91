import { expect, it } from 'vitest';
import { parseMountInfo } from '../../src/mounts/mountTable.js';

it('the kernel’s table is read with names as they are, whatever is in them', () => {
  const table = [
    '22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw',
    '36 22 0:45 / /mnt/a\\040b\\134c\\012d ro,nosuid shared:7 master:2 - fuse.fuse2fs fuse2fs rw,user_id=0',
    '37 36 0:46 / /mnt/日本/disk ro - fuse /dev/fuse rw',
    'not a line of it',
    '',
  ].join('\n');
  expect(parseMountInfo(table)).toEqual([
    { path: '/', fileSystem: 'ext4' },
    { path: '/mnt/a b\\c\nd', fileSystem: 'fuse.fuse2fs' },
    { path: '/mnt/日本/disk', fileSystem: 'fuse' },
  ]);
});

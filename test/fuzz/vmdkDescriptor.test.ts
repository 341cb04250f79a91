import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EverthawError } from '../../src/domain/errors.js';
import { formatDescriptor, readExtent } from '../../src/disks/vmdkDescriptor.js';
import { anyText, mutated } from './generators.js';
import { clearly, fuzz } from './fuzz.js';

const ESX = `# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=fffffffe
parentCID=ffffffff
isNativeSnapshot="no"
createType="vmfs"

# Extent description
RW 33554432 VMFS "web-flat.vmdk"

# The Disk Data Base
#DDB

ddb.adapterType = "lsilogic"
ddb.uuid = "60 00 C2 9a 7b 1c"
`;

describe('a VMDK descriptor', () => {
  fuzz(
    'names one file beside it, or is refused',
    mutated(ESX, formatDescriptor('scsi0-0-flat.vmdk', 1 << 20)),
    (text) => {
      const extent = clearly(() => readExtent(text, 'read disk scsi0:0'), 'read disk scsi0:0');
      if (extent === undefined) return;
      expect(extent.file).not.toMatch(/[/\0\n]|^\.{0,2}$/);
      expect(Number.isSafeInteger(extent.sizeBytes)).toBe(true);
    },
    300,
  );

  fuzz('of any text is refused', anyText, (text) => {
    expect(clearly(() => readExtent(text, 'read it'))).toBeUndefined();
  });

  fuzz('of ours comes back as it was written', fc.nat(2 ** 40), (sectors) => {
    const text = formatDescriptor('scsi0-0-flat.vmdk', sectors * 512);
    expect(readExtent(text, 'it')).toEqual({ file: 'scsi0-0-flat.vmdk', sizeBytes: sectors * 512 });
  });

  it.each([
    ['another extent, of a kind that we do not write', `${ESX}RW 1 SPARSE "/etc/passwd"\n`],
    ['a file above it', ESX.replace('web-flat.vmdk', '..')],
    ['a file of another protocol', ESX.replace('web-flat.vmdk', 'nbd:unix:x')],
    ['a size that no disk has', ESX.replace('33554432', '9'.repeat(400))],
    ['4 MiB of empty lines', '\n'.repeat(4 * 1024 * 1024)],
  ])('that names %s is refused at once', (_, text) => {
    const before = process.cpuUsage();
    expect(() => readExtent(text, 'it')).toThrow(EverthawError);
    expect(process.cpuUsage(before).user / 1000).toBeLessThan(2_000);
  });
});

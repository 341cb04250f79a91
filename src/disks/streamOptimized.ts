import { open } from 'node:fs/promises';
import { EverthawError } from '../domain/errors.js';

const SECTOR_BYTES = 512;
const MAGIC = Buffer.from('KDMV');
/** Offset of the capacity (in sectors, 64 bits) within a sparse extent's header. */
const CAPACITY_AT = 12;

/**
 * Checks that a streamOptimized VMDK is whole: it begins with a header of the disk's capacity and ends with a footer and an
 * end-of-stream marker (VMware's Virtual Disk Format 5.0, "Stream-Optimized Compressed Sparse Extents"). A stream that ended
 * early without an error, which `qemu-img info` takes for good, is found here.
 *
 * @throws EverthawError StreamTorn
 */
export async function checkStreamOptimized(file: string, capacityBytes: number, what: string): Promise<void> {
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    if (size < 4 * SECTOR_BYTES) throw torn(what, `it has ${size} bytes`);
    const header = await sectorAt(0);
    const capacity = Number(header.readBigUInt64LE(CAPACITY_AT)) * SECTOR_BYTES;
    if (!header.subarray(0, 4).equals(MAGIC)) throw torn(what, 'it does not begin as a VMDK');
    if (capacity !== capacityBytes) throw torn(what, `it is of a disk of ${capacity} bytes, this one has ${capacityBytes}`);
    const footer = await sectorAt(size - 2 * SECTOR_BYTES);
    const end = await sectorAt(size - SECTOR_BYTES);
    if (!footer.subarray(0, 4).equals(MAGIC) || !end.equals(Buffer.alloc(SECTOR_BYTES))) {
      throw torn(what, 'its end is missing');
    }
    async function sectorAt(position: number): Promise<Buffer> {
      const sector = Buffer.alloc(SECTOR_BYTES);
      await handle.read(sector, 0, SECTOR_BYTES, position);
      return sector;
    }
  } finally {
    await handle.close();
  }
}

function torn(what: string, why: string): EverthawError {
  return new EverthawError({
    code: 'StreamTorn',
    what: `check the stream of ${what}`,
    why,
    hint: 'the host or the network broke it off without saying so: run it again',
    retry: 'again',
  });
}

import { EverthawError } from '../domain/errors.js';
import type { ReadableFile } from './readableFile.js';

const SECTOR_BYTES = 512;
const MAGIC = Buffer.from('KDMV');
/** A grain begins with the sector it belongs to (64 bits) and the length of its compressed data (32 bits). */
const GRAIN_MARKER_BYTES = 12;
/** What the format says, so that a damaged header cannot ask for more. */
const ENTRIES_PER_TABLE = 512;
const SMALLEST_GRAIN_SECTORS = 16;
/** So much of the grain directory is looked at in one piece. */
const PIECE_BYTES = 64 * 1024;
/** Value of the grain directory's offset in the header when directory and a second header stand at the end. */
const DIRECTORY_AT_END = 0xffffffffffffffffn;

/**
 * Checks that a streamOptimized VMDK is whole: it begins with a header of the disk's capacity and has its end, either footer
 * and end-of-stream marker (as ESX writes it) or, with its grain directory in front (as qemu-img writes it), the last grain
 * that the directory names. A stream that ended early without an error, which `qemu-img info` takes for good, is found here.
 * Format: VMware's Virtual Disk Format 5.0, "Stream-Optimized Compressed Sparse Extents".
 *
 * @throws EverthawError StreamTorn
 */
export async function checkStreamOptimized(
  file: ReadableFile,
  capacityBytes: number,
  what: string,
): Promise<void> {
  const header = await readHeader(file, what);
  if (header.capacitySectors * SECTOR_BYTES !== capacityBytes) {
    throw torn(
      what,
      `it is of a disk of ${header.capacitySectors * SECTOR_BYTES} bytes, this one has ${capacityBytes}`,
    );
  }
  const isWhole =
    header.directoryOffset === DIRECTORY_AT_END
      ? await hasFooter(file)
      : (await endOfLastGrain(file, header, what)) <= file.sizeBytes;
  if (!isWhole) throw torn(what, 'its end is missing');
}

interface Header {
  readonly capacitySectors: number;
  readonly grainSectors: number;
  readonly entriesPerTable: number;
  readonly directoryOffset: bigint;
}

async function readHeader(file: ReadableFile, what: string): Promise<Header> {
  const header = await file.read(0, SECTOR_BYTES);
  if (!header.subarray(0, 4).equals(MAGIC)) throw torn(what, 'it does not begin as a VMDK');
  return {
    capacitySectors: Number(header.readBigUInt64LE(12)),
    grainSectors: Number(header.readBigUInt64LE(20)),
    entriesPerTable: header.readUInt32LE(44),
    directoryOffset: header.readBigUInt64LE(56),
  };
}

async function hasFooter({ sizeBytes: size, read }: ReadableFile): Promise<boolean> {
  if (size < 4 * SECTOR_BYTES) return false;
  const footer = await read(size - 2 * SECTOR_BYTES, SECTOR_BYTES);
  const end = await read(size - SECTOR_BYTES, SECTOR_BYTES);
  return footer.subarray(0, 4).equals(MAGIC) && end.equals(Buffer.alloc(SECTOR_BYTES));
}

async function endOfLastGrain(file: ReadableFile, header: Header, what: string): Promise<number> {
  const { read, sizeBytes: size } = file;
  const { capacitySectors, grainSectors, entriesPerTable } = header;
  if (entriesPerTable !== ENTRIES_PER_TABLE || grainSectors < SMALLEST_GRAIN_SECTORS)
    throw torn(what, `its header tells of grains of ${grainSectors} sectors, ${entriesPerTable} to a table`);
  const directoryBytes = Math.ceil(capacitySectors / grainSectors / ENTRIES_PER_TABLE) * 4;
  const begin = Number(header.directoryOffset) * SECTOR_BYTES;
  if (begin + directoryBytes > size) return Infinity;
  let last = 0;
  for (let at = 0; at < directoryBytes; at += PIECE_BYTES) {
    const piece = await read(begin + at, Math.min(PIECE_BYTES, directoryBytes - at));
    for (let entry = 0; entry < piece.length; entry += 4) {
      const offset = piece.readUInt32LE(entry) * SECTOR_BYTES;
      if (offset === 0) continue;
      // A table that is not there; nor are those of many others then, and all of them are not to be looked for.
      if (offset > size) return Infinity;
      last = Math.max(last, await lastGrainOf(file, offset));
    }
  }
  if (last === 0) return 0;
  const marker = await read(last * SECTOR_BYTES, GRAIN_MARKER_BYTES);
  const dataBytes = marker.readUInt32LE(8);
  // Past the end everything reads as zero, and a grain of no data is none.
  return dataBytes === 0 ? Infinity : last * SECTOR_BYTES + GRAIN_MARKER_BYTES + dataBytes;
}

/** The sector of the last grain that a table names; 0 where it names none. */
async function lastGrainOf({ read }: ReadableFile, offset: number): Promise<number> {
  const table = await read(offset, ENTRIES_PER_TABLE * 4);
  let last = 0;
  for (let entry = 0; entry < table.length; entry += 4) last = Math.max(last, table.readUInt32LE(entry));
  return last;
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

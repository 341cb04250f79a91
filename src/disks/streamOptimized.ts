import { EverthawError } from '../domain/errors.js';
import type { ReadableFile } from './readableFile.js';

const SECTOR_BYTES = 512;
const MAGIC = Buffer.from('KDMV');
/** A grain begins with the sector it belongs to (64 bits) and the length of its compressed data (32 bits). */
const GRAIN_MARKER_BYTES = 12;
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
      : (await endOfLastGrain(file, header)) <= file.sizeBytes;
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

async function endOfLastGrain({ read }: ReadableFile, header: Header): Promise<number> {
  const tables = Math.ceil(header.capacitySectors / header.grainSectors / header.entriesPerTable);
  const directory = await read(Number(header.directoryOffset) * SECTOR_BYTES, tables * 4);
  let last = 0;
  for (let at = 0; at < tables; at++) {
    const offset = directory.readUInt32LE(at * 4);
    if (offset === 0) continue;
    const table = await read(offset * SECTOR_BYTES, header.entriesPerTable * 4);
    for (let entry = 0; entry < header.entriesPerTable; entry++)
      last = Math.max(last, table.readUInt32LE(entry * 4));
  }
  if (last === 0) return 0;
  const marker = await read(last * SECTOR_BYTES, GRAIN_MARKER_BYTES);
  const dataBytes = marker.readUInt32LE(8);
  // Past the end everything reads as zero, and a grain of no data is none.
  return dataBytes === 0 ? Infinity : last * SECTOR_BYTES + GRAIN_MARKER_BYTES + dataBytes;
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

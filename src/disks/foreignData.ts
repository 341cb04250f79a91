import { open, type FileHandle } from 'node:fs/promises';
import { isErrorWithCode } from '../domain/errors.js';
import type { ManifestDisk } from '../domain/manifest.js';
import { readExtent } from './vmdkDescriptor.js';

const HEADER_BYTES = 104;
const LARGEST_DESCRIPTOR_BYTES = 64 * 1024;
/** Incompatible feature of a qcow2 image: an external data file. */
const EXTERNAL_DATA = 1n << 2n;

/**
 * Why a kept disk would have data of another file taken for its own; undefined where it does not. Looked at before any program
 * opens it, which would open that other file too, wherever it is. `files` are those of the backup.
 */
export async function foreignData(
  file: string,
  { format, file: name }: Pick<ManifestDisk, 'format' | 'file'>,
  files: readonly string[],
): Promise<string | undefined> {
  const handle = await open(file, 'r');
  try {
    switch (format) {
      case 'raw':
        return undefined;
      case 'vmdk-flat':
        return await foreignExtent(handle, name, files);
      case 'qcow2': {
        const features = (await beginOf(handle)).readBigUInt64BE(72);
        return (features & EXTERNAL_DATA) === 0n ? undefined : 'its data are to be in another file';
      }
      case 'vmdk-sparse':
      case 'vmdk-stream-optimized': {
        // A text, or a header without a capacity, would name the files of its data.
        const header = await beginOf(handle);
        const isOneFile = header.toString('latin1', 0, 4) === 'KDMV' && header.readBigUInt64LE(12) !== 0n;
        return isOneFile ? undefined : 'it does not begin as a VMDK of one file';
      }
    }
  } finally {
    await handle.close();
  }
}

async function foreignExtent(
  handle: FileHandle,
  name: string,
  files: readonly string[],
): Promise<string | undefined> {
  if ((await handle.stat()).size > LARGEST_DESCRIPTOR_BYTES) return 'no descriptor is so large';
  try {
    const extent = readExtent(await handle.readFile('utf8'), `read image ${name}`).file;
    return files.includes(extent)
      ? undefined
      : `its bytes are to be in ${extent}, which is no file of the backup`;
  } catch (error) {
    if (!isErrorWithCode(error, 'TransportRefused')) throw error;
    return error.why;
  }
}

async function beginOf(handle: FileHandle): Promise<Buffer> {
  const header = Buffer.alloc(HEADER_BYTES);
  await handle.read(header, 0, HEADER_BYTES, 0);
  return header;
}

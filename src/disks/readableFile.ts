import { open } from 'node:fs/promises';

/** A file of which some places are looked at. */
export interface ReadableFile {
  readonly sizeBytes: number;
  /** Bytes at a position; what lies past the end of the file is zero. */
  readonly read: (position: number, lengthBytes: number) => Promise<Buffer>;
}

/** Opens a file of this machine for as long as `look` takes. */
export async function lookInto<T>(path: string, look: (file: ReadableFile) => Promise<T>): Promise<T> {
  const handle = await open(path, 'r');
  try {
    const { size: sizeBytes } = await handle.stat();
    const read = async (position: number, lengthBytes: number): Promise<Buffer> => {
      const buffer = Buffer.alloc(lengthBytes);
      await handle.read(buffer, 0, lengthBytes, position);
      return buffer;
    };
    return await look({ sizeBytes, read });
  } finally {
    await handle.close();
  }
}

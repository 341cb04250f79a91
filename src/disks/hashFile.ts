import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

const CHUNK_BYTES = 1024 * 1024;

/** SHA-256 of a file as it is stored. */
export async function hashFile(
  file: string,
  onProgress: (bytes: number) => void,
  signal: AbortSignal,
): Promise<{ sizeBytes: number; sha256: string }> {
  const hash = createHash('sha256');
  const handle = await open(file, 'r');
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    let sizeBytes = 0;
    while (true) {
      signal.throwIfAborted();
      const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES, null);
      if (bytesRead === 0) return { sizeBytes, sha256: hash.digest('hex') };
      hash.update(chunk.subarray(0, bytesRead));
      sizeBytes += bytesRead;
      onProgress(sizeBytes);
    }
  } finally {
    await handle.close();
  }
}

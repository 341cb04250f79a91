import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ManifestFile } from '../domain/manifest.js';
import { hashFile } from '../disks/hashFile.js';

/** Why a file of a backup is not there, by its directory entry alone. A link leads elsewhere. */
export async function entryFault(directory: string, file: ManifestFile): Promise<string | undefined> {
  try {
    const found = await lstat(join(directory, file.path));
    if (found.isSymbolicLink()) return `${file.path} is a link to elsewhere`;
    if (!found.isFile()) return `${file.path} is no file`;
    if (found.size === file.sizeBytes) return undefined;
    return `${file.path} is not what was backed up: it has ${found.size} bytes, the manifest says ${file.sizeBytes}`;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? `${file.path} is missing` : `${file.path} cannot be read (${code ?? ''})`;
  }
}

/** Why a file is not what was backed up; undefined where every byte of it is. `onProgress` is told of bytes of this file. */
export async function fileFault(
  directory: string,
  file: ManifestFile,
  onProgress: (bytes: number) => void,
  signal: AbortSignal,
): Promise<string | undefined> {
  const fault = await entryFault(directory, file);
  if (fault !== undefined) return fault;
  const found = await hashFile(join(directory, file.path), onProgress, signal);
  if (found.sha256 === file.sha256) return undefined;
  return `${file.path} is not what was backed up: SHA-256 ${found.sha256}, the manifest says ${file.sha256}`;
}

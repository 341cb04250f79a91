import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ManifestFile } from '../domain/manifest.js';
import { hashFile } from '../disks/hashFile.js';

/** What stands where a file of a backup should be. */
export type Entry =
  | { readonly kind: 'file'; readonly sizeBytes: number }
  | { readonly kind: 'directory' | 'link' | 'other' | 'missing' };

/** Why what stands there is not the file that the manifest tells of, as far as it can be told unread. A link leads elsewhere. */
export function entryFaultOf(found: Entry, { path, sizeBytes }: ManifestFile): string | undefined {
  switch (found.kind) {
    case 'missing':
      return `${path} is missing`;
    case 'link':
      return `${path} is a link to elsewhere`;
    case 'directory':
    case 'other':
      return `${path} is no file`;
    case 'file':
      if (found.sizeBytes === sizeBytes) return undefined;
      return `${path} is not what was backed up: it has ${found.sizeBytes} bytes, the manifest says ${sizeBytes}`;
  }
}

/** Why bytes with this SHA-256 are not those of a file. */
export function hashFaultOf(found: string, { path, sha256 }: ManifestFile): string | undefined {
  if (found === sha256) return undefined;
  return `${path} is not what was backed up: SHA-256 ${found}, the manifest says ${sha256}`;
}

/** Why a file of a backup is not there, by its directory entry alone. */
export async function entryFault(directory: string, file: ManifestFile): Promise<string | undefined> {
  try {
    const found = await lstat(join(directory, file.path));
    const kind = found.isSymbolicLink() ? 'link' : found.isFile() ? 'file' : 'other';
    return entryFaultOf(kind === 'file' ? { kind, sizeBytes: found.size } : { kind }, file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return entryFaultOf({ kind: 'missing' }, file);
    return `${file.path} cannot be read (${code ?? ''})`;
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
  return hashFaultOf(found.sha256, file);
}

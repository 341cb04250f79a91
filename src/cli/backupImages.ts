import { join, resolve } from 'node:path';
import { imageLevel, readAnyManifest } from '../destinations/restorePoint.js';
import { openingFault } from '../disks/imageFault.js';
import { EverthawError } from '../domain/errors.js';
import type { AnyManifest } from '../domain/fileManifest.js';
import { isScpUrl } from '../domain/scpUrl.js';
import type { ImageDisk } from '../volumes/volume.js';

/** A backup of this machine whose files are wanted. */
export interface OpenBackup {
  readonly directory: string;
  readonly manifest: AnyManifest;
}

/** @throws EverthawError BackupDamaged */
export async function openBackup(backup: string): Promise<OpenBackup> {
  const directory = localDirectory(backup);
  return { directory, manifest: await readAnyManifest(directory) };
}

/** Its disks, ready to be opened. @throws EverthawError BackupDamaged where one is not what its manifest tells of */
export async function imagesOf({ directory, manifest: any }: OpenBackup): Promise<readonly ImageDisk[]> {
  const manifest = imageLevel(any, directory);
  const names = manifest.files.map(({ path }) => path);
  for (const disk of manifest.disks) {
    const fault = await openingFault(join(directory, disk.file), disk, names, new AbortController().signal);
    if (fault !== undefined)
      throw new EverthawError({
        code: 'BackupDamaged',
        what: `open disk ${disk.label} of "${directory}"`,
        why: fault,
        hint: 'everthaw verify says what is whole of it',
      });
  }
  return manifest.disks.map(({ label, capacityBytes, file, format }) => ({
    label,
    capacityBytes,
    file: join(directory, file),
    format,
  }));
}

/** Disks are opened where they lie. @throws EverthawError WrongUsage */
function localDirectory(backup: string): string {
  if (!isScpUrl(backup)) return resolve(backup);
  throw new EverthawError({
    code: 'WrongUsage',
    what: `read files of "${backup}"`,
    why: 'it is on another machine, and disks are opened on this one only',
    hint: 'fetch it first: scp -r user@host:/path <directory> (docs/destinations.md)',
  });
}

import { join, resolve } from 'node:path';
import { readManifest } from '../destinations/restorePoint.js';
import { openingFault } from '../disks/imageFault.js';
import { EverthawError } from '../domain/errors.js';
import { isScpUrl } from '../domain/scpUrl.js';
import type { ImageDisk } from '../volumes/volume.js';

/** The disks of a backup, ready to be opened. @throws EverthawError BackupDamaged where one is not what its manifest tells of */
export async function backupImages(backup: string): Promise<readonly ImageDisk[]> {
  const directory = localDirectory(backup);
  const manifest = await readManifest(directory);
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

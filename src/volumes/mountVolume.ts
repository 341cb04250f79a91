import { fileSystemOf } from './fileSystems.js';
import type { GuestRoot } from './guestFile.js';
import { reasonOf, runTool, type Surroundings } from './tool.js';
import type { Volume } from './volume.js';

const MOUNT_MS = 60_000;

/** Mounts a volume that is shown as a file, read-only, by a program of its file system. Where its files are; or why they cannot be read. */
export async function mountVolume(
  volume: Volume,
  file: string,
  directory: string,
  around?: Surroundings,
): Promise<GuestRoot | string> {
  const fileSystem = fileSystemOf(volume.fileSystem ?? '');
  if (fileSystem === undefined) return 'nothing here reads it';
  const { program, args, ignoresCase } = fileSystem;
  try {
    const what = `mount volume ${volume.id} (${volume.fileSystem ?? ''})`;
    const run = { program, args: args(file, directory), what, timeoutMs: MOUNT_MS };
    await runTool(around === undefined ? run : { ...run, around });
    return { directory, ignoresCase };
  } catch (error) {
    return reasonOf(error);
  }
}

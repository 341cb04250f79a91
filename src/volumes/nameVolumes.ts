import { writeFile } from 'node:fs/promises';
import { hasLetter, readDriveLetters } from './driveLetters.js';
import { readGuestFile, type GuestRoot } from './guestFile.js';
import { parseFstab, volumesOf, type FstabLine } from './mountPoints.js';
import { reasonOf } from './tool.js';
import type { Volume } from './volume.js';

/** A volume whose files can be read now. */
export interface MountedVolume {
  readonly volume: Volume;
  readonly root: GuestRoot;
}

export interface VolumeNames {
  /** By the volumes' ids. */
  readonly names: ReadonlyMap<string, string>;
  /** What the guest mounts and is not here, or cannot be told apart. */
  readonly notes: readonly string[];
}

const HIVE = ['Windows', 'System32', 'config', 'SYSTEM'];
const LARGEST_HIVE_BYTES = 512 * 1024 * 1024;
const FSTAB = ['etc', 'fstab'];
const LARGEST_FSTAB_BYTES = 1024 * 1024;

/**
 * What the guest calls its volumes, by its own registry or fstab. `all` are those too that cannot be read: they have names as well. `scratchFile` is
 * written over.
 */
export async function nameVolumes(
  mounted: readonly MountedVolume[],
  all: readonly Volume[],
  disks: readonly string[],
  scratchFile: string,
): Promise<VolumeNames> {
  const names = new Map<string, string>();
  const notes: string[] = [];
  for (const { volume, root } of mounted.filter((each) => each.root.ignoresCase)) {
    const hive = await readQuietly(root, HIVE, LARGEST_HIVE_BYTES, volume, notes);
    if (hive === undefined) continue;
    await writeFile(scratchFile, hive);
    try {
      for (const letter of await readDriveLetters(scratchFile))
        for (const named of all.filter((each) => hasLetter(each, letter)))
          if (!names.has(named.id)) names.set(named.id, `${letter.letter}:`);
    } catch (error) {
      notes.push(`volume ${volume.id}: ${reasonOf(error)}`);
    }
  }
  const fstabs: { readonly volume: Volume; readonly lines: readonly FstabLine[] }[] = [];
  for (const { volume, root } of mounted.filter((each) => !each.root.ignoresCase)) {
    const text = await readQuietly(root, FSTAB, LARGEST_FSTAB_BYTES, volume, notes);
    if (text !== undefined) fstabs.push({ volume, lines: parseFstab(text.toString('utf8')) });
  }
  const rooted = fstabs.find(({ volume, lines }) =>
    lines.some(
      ({ device, mountPoint }) => mountPoint === '/' && volumesOf(device, [volume], disks).length === 1,
    ),
  );
  if (rooted === undefined)
    notes.push(
      ...fstabs.map(({ volume }) => `volume ${volume.id} has an fstab that does not say that it is "/"`),
    );
  for (const line of rooted?.lines ?? []) nameBy(line, all, disks, names, notes);
  return { names, notes };
}

function nameBy(
  { device, mountPoint, isPart }: FstabLine,
  all: readonly Volume[],
  disks: readonly string[],
  names: Map<string, string>,
  notes: string[],
): void {
  const meant = volumesOf(device, all, disks);
  const [only] = meant;
  if (only === undefined)
    notes.push(`the guest mounts ${device} at ${mountPoint}: no volume here is known by that`);
  else if (meant.length > 1)
    notes.push(
      `the guest mounts ${device} at ${mountPoint}: ${meant.map(({ id }) => id).join(' and ')} go by that`,
    );
  else if (isPart)
    notes.push(`the guest mounts a part of volume ${only.id} at ${mountPoint}: ask for it by ${only.id}`);
  else if (names.has(only.id) || [...names.values()].includes(mountPoint))
    notes.push(`the guest mounts ${device} at ${mountPoint} too`);
  else names.set(only.id, mountPoint);
}

/** What cannot be read of a damaged volume is told, and ends nothing. */
async function readQuietly(
  root: GuestRoot,
  names: readonly string[],
  largestBytes: number,
  volume: Volume,
  notes: string[],
): Promise<Buffer | undefined> {
  try {
    return await readGuestFile(root, names, largestBytes);
  } catch (error) {
    notes.push(`volume ${volume.id}: /${names.join('/')} cannot be read (${reasonOf(error)})`);
    return undefined;
  }
}

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileSystemOf } from './fileSystems.js';
import type { GuestRoot } from './guestFile.js';
import { serveImages, type ImagePart } from './imageServer.js';
import { mountVolume } from './mountVolume.js';
import { nameVolumes, type MountedVolume } from './nameVolumes.js';
import { findVolumes } from './partitions.js';
import { mustAnswer, unread } from './sector.js';
import { reasonOf } from './tool.js';
import type { DiskRefusal, ImageDisk, NamedVolume, Volume } from './volume.js';

/** The volumes of a VM's disks; each that can be read is mounted, read-only. */
export interface OpenVolumes {
  readonly volumes: readonly NamedVolume[];
  readonly disks: readonly DiskRefusal[];
  readonly notes: readonly string[];
  /** Of a volume that nothing refuses. */
  readonly rootOf: (volume: Volume) => GuestRoot;
}

/**
 * Mounts what can be mounted of the disks below an empty directory, in layers: the images as files, a file for each partition, its
 * file system. Each layer is a process that reads the one below it, so the kernel never sees a guest's disk. Unmounting is not
 * needed: see volumesProcess.ts.
 */
export async function openVolumes(images: readonly ImageDisk[], directory: string): Promise<OpenVolumes> {
  const found: Volume[] = [];
  const disks: DiskRefusal[] = [];
  for (const image of images) {
    const volumes = await lookAt(image, await made(directory, 'disks', image.label));
    if ('refusal' in volumes) disks.push(volumes);
    else found.push(...volumes);
  }
  const { volumes, mounted } = await mountAll(found, images, directory);
  const labels = images.map(({ label }) => label);
  const { names, notes } = await nameVolumes(mounted, volumes, labels, join(directory, 'hive'));
  await mustAnswer(servedByOthers(found, images, directory), 'open the volumes');
  const roots = new Map(mounted.map(({ volume, root }) => [volume.id, root]));
  return {
    volumes: volumes.map((volume) => withName(volume, names.get(volume.id))),
    disks,
    notes,
    rootOf: ({ id }) => {
      const root = roots.get(id);
      if (root === undefined) throw new Error(`volume ${id} is not mounted`);
      return root;
    },
  };
}

function withName(volume: Volume, name: string | undefined): NamedVolume {
  const limits = volume.refusal === undefined ? fileSystemOf(volume.fileSystem ?? '')?.limits : undefined;
  return {
    ...volume,
    ...(name === undefined ? {} : { name }),
    ...(limits === undefined ? {} : { limits }),
  };
}

/** An image that cannot be opened does not hide the others. What others serve is whole, or it is not there: that is an error. @throws EverthawError */
async function lookAt(image: ImageDisk, directory: string): Promise<readonly Volume[] | DiskRefusal> {
  const { label: disk, capacityBytes } = image;
  try {
    const part = { image, offsetBytes: 0, sizeBytes: capacityBytes, name: 'disk' };
    const server = await serveImages([part], directory);
    try {
      const file = join(directory, part.name);
      const volumes = await findVolumes(file, image);
      if ('socket' in image) await mustAnswer([file], `look at disk ${disk}`);
      return volumes;
    } finally {
      await server.stop();
    }
  } catch (error) {
    if ('socket' in image) throw unread(`look at disk ${disk}`, error);
    return { disk, refusal: reasonOf(error) };
  }
}

async function mountAll(
  found: readonly Volume[],
  images: readonly ImageDisk[],
  directory: string,
): Promise<{ readonly volumes: readonly Volume[]; readonly mounted: readonly MountedVolume[] }> {
  const parts = await made(directory, PARTS);
  const nameOf = (volume: Volume): string => String(found.indexOf(volume));
  const readable = readableParts(found, images);
  if (readable.length > 0) await serveImages(readable, parts);
  const volumes: Volume[] = [];
  const mounted: MountedVolume[] = [];
  for (const volume of found) {
    const at = await made(directory, 'mounts', nameOf(volume));
    const root =
      volume.refusal === undefined ? await mountVolume(volume, join(parts, nameOf(volume)), at) : undefined;
    if (typeof root === 'string') volumes.push({ ...volume, refusal: root });
    else volumes.push(volume);
    if (typeof root === 'object') mounted.push({ volume, root });
  }
  return { volumes, mounted };
}

const PARTS = 'parts';

function readableParts(found: readonly Volume[], images: readonly ImageDisk[]): readonly ImagePart[] {
  return found.flatMap(({ disk, refusal, offsetBytes, sizeBytes }, n) => {
    const image = images.find(({ label }) => label === disk);
    return refusal !== undefined || image === undefined
      ? []
      : [{ image, name: String(n), offsetBytes, sizeBytes }];
  });
}

/** Files of the parts that come from another process than the one that shows them. */
function servedByOthers(
  found: readonly Volume[],
  images: readonly ImageDisk[],
  directory: string,
): readonly string[] {
  return readableParts(found, images).flatMap(({ image, name }) =>
    'socket' in image ? [join(directory, PARTS, name)] : [],
  );
}

async function made(...steps: readonly string[]): Promise<string> {
  const directory = join(...steps);
  await mkdir(directory, { recursive: true });
  return directory;
}

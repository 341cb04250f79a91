import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EverthawError, messageOf, type ErrorParts } from '../domain/errors.js';
import { startNbdServer } from '../disks/nbdServer.js';
import { UNNOTED } from '../hosts/exports.js';
import { HostPool } from '../hosts/hostPool.js';
import { HostRegister } from '../hosts/register.js';
import { wrongExport } from '../hosts/wrongExport.js';
import { ownPid, processIdentity } from '../system/processIdentity.js';
import { placeOf } from '../volumes/guestPath.js';
import { serveImages } from '../volumes/imageServer.js';
import { makePlace } from '../volumes/makePlace.js';
import { mountVolume } from '../volumes/mountVolume.js';
import { findAllVolumes } from '../volumes/readVolumes.js';
import { mustAnswer } from '../volumes/sector.js';
import type { ImageDisk, NamedVolume } from '../volumes/volume.js';
import { keeperFiles } from './keeper.js';
import type { KeeperOrder, KeeperReport, KeeperTask, KeptVolumes, MountedVolume } from './keeperOrder.js';
import { brokenLayer, PARTS } from './layers.js';
import { wantedVolumes } from './wantedVolumes.js';

/*
 * The process that keeps a VM's volumes mounted, in layers: each disk of the snapshot as NBD, each partition as a file, its file
 * system. It is the first of a process namespace, so that the kernel ends every layer with it; and whatever layer ends, it
 * ends. It outlives the worker that started it: whoever reads the volumes does not notice. What stays behind it are mounts that nobody serves,
 * which the run or a sweep takes away (src/holdings/volumeMount.ts).
 */

const WATCH_MS = 2000;
/** A layer that has not answered by then does not. */
const ANSWER_MS = 60_000;

/** What is opened, and how to see whether its layers live. */
interface Opened {
  readonly order: KeeperOrder;
  readonly images: readonly ImageDisk[];
  readonly volumes: readonly NamedVolume[];
  readonly notes: readonly string[];
}

async function openDisks(order: KeeperOrder): Promise<Opened> {
  // Of two that an attempt and its successor started, one is noted, and the other ends.
  await writeFile(keeperFiles(order.directory).process, JSON.stringify(await processIdentity(ownPid())), {
    mode: 0o600,
    flag: 'wx',
  });
  const { places, hostUuid, user, instanceUuid, snapshotId, transport, disks, directory } = order;
  const hosts = new HostPool(new HostRegister(places.register), places.sessions);
  const host = await hosts.open(hostUuid, user);
  const images: ImageDisk[] = [];
  for (const [n, disk] of disks.entries()) {
    const opened = await host.openDisk(transport, instanceUuid, snapshotId, disk, UNNOTED);
    if (opened.kind === 'stream' || opened.sizeBytes !== disk.capacityBytes) throw wrongExport(disk);
    const image = { label: disk.label, capacityBytes: disk.capacityBytes };
    if (opened.kind === 'nbd') {
      images.push({ ...image, socket: opened.socket, exportName: opened.exportName });
    } else {
      const what = `disk ${disk.label}`;
      // A file system that is told of an error may show other bytes from then on: it waits, and where that is too long, all of it ends.
      const source = { url: opened.url, ...opened.access, offsetBytes: 0, what, neverGivesUp: true } as const;
      // A socket's path is short: so is its directory's.
      const at = join(directory, String(n));
      const server = await startNbdServer(source, at, AbortSignal.timeout(ANSWER_MS));
      images.push({ ...image, socket: server.socket, exportName: '' });
    }
  }
  const { wanted: volumes, notes } = wantedVolumes(await findAllVolumes(images, places.scratch));
  if (volumes.length === 0) throw nothingToMount(notes);
  tell({ kind: 'found', volumes: volumes.length });
  return { order, images, volumes, notes };
}

async function mountAll({ order, images, volumes, notes }: Opened, to: string): Promise<void> {
  const parts = join(order.directory, PARTS);
  await mkdir(parts, { recursive: true });
  const shown = volumes.flatMap((volume, n) => {
    const image = images.find(({ label }) => label === volume.disk);
    const { offsetBytes, sizeBytes } = volume;
    return image === undefined ? [] : [{ volume, image, offsetBytes, sizeBytes, name: String(n) }];
  });
  const server = await serveImages(shown, parts, 'the machine');
  void server.ended.then((said) => {
    end(`the program that shows the partitions ended: ${said}`);
  });
  const mounted: MountedVolume[] = [];
  const refused: string[] = [];
  const upper = shown.toSorted((a, b) => placeOf(a.volume).length - placeOf(b.volume).length);
  for (const { volume, name } of upper) {
    const called = `volume ${volume.id} (${volume.name ?? '-'})`;
    const directory = await makePlace(to, placeOf(volume));
    if (directory === undefined) {
      refused.push(`${called} is not mounted: what the guest has at its place is no directory`);
      continue;
    }
    const root = await mountVolume(volume, join(parts, name), directory, 'the machine');
    if (typeof root === 'string') refused.push(`${called} is not mounted: ${root}`);
    else mounted.push({ volume, directory });
  }
  const files = shown.map(({ name }) => join(parts, name));
  await mustAnswer(files, 'mount the volumes');
  const kept: KeptVolumes = { mounted, notes: [...notes, ...refused] };
  await noteKept(order.directory, kept);
  isKept = true;
  tell({ kind: 'mounted', kept });
  await watch(
    order.directory,
    mounted.map(({ directory }) => directory),
  );
}

/** There whole, or not at all: it is how the next attempt knows that all stands. */
async function noteKept(directory: string, kept: KeptVolumes): Promise<void> {
  const file = keeperFiles(directory).kept;
  await writeFile(`${file}.aside`, JSON.stringify(kept), { mode: 0o600 });
  await rename(`${file}.aside`, file);
}

/** Ends when a layer has no sign of life any more. */
async function watch(own: string, mounts: readonly string[]): Promise<void> {
  while (true) {
    await sleep(WATCH_MS);
    const broken = await brokenLayer(own, mounts);
    if (broken !== undefined) end(broken);
  }
}

function nothingToMount(notes: readonly string[]): EverthawError {
  return new EverthawError({
    code: 'DiskNotSupported',
    what: 'mount the volumes',
    why: `none of them can be read: ${notes.join('; ')}`,
    hint: 'back the VM up image-level',
  });
}

function partsOf(error: unknown): ErrorParts {
  if (!(error instanceof EverthawError)) {
    const hint = 'it is tried again; see the log of the worker';
    return { code: 'ProgramFailed', what: 'mount the volumes', why: messageOf(error), hint, retry: 'again' };
  }
  const { code, what, why, hint, retry } = error;
  return { code, what, why, hint, retry };
}

function end(why: string): void {
  console.error(why);
  process.exit(1);
}

function tell(report: KeeperReport): void {
  process.send?.(report);
}

let isKept = false;
let opened: Opened | undefined;

async function perform(task: KeeperTask): Promise<void> {
  if (task.kind === 'open') opened = await openDisks(task.order);
  else if (opened !== undefined) await mountAll(opened, task.to);
}

process.on('disconnect', () => {
  // Whoever started it is gone before it knew what stands: nobody would find it again.
  if (!isKept) process.exit(1);
});
process.on('message', (message) => {
  perform(message as KeeperTask).catch((error: unknown) => {
    const failed: KeeperReport = { kind: 'failed', error: partsOf(error) };
    process.send?.(failed, () => process.exit(1));
  });
});

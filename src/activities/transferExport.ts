import { readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { activityInfo } from '@temporalio/activity';
import { imageFileName } from '../domain/diskFiles.js';
import { dataClusters } from '../domain/extents.js';
import type { Checkpoint, DiskResult } from '../domain/runs.js';
import type { DiskDescription } from '../domain/vm.js';
import type { PartialBackup } from '../destinations/destination.js';
import { endCopier, startCopier, type Copied, type Copier } from '../disks/copier.js';
import { keepExportMap, keptExportMap, readExportMap } from '../disks/exportMap.js';
import { hashFile } from '../disks/hashFile.js';
import { copyToImage, type ImageFile, type NamedExport } from '../disks/imageCopy.js';
import { CLUSTER_BYTES } from '../disks/qcow2Layout.js';
import { UNNOTED } from '../hosts/exports.js';
import { wrongExport } from '../hosts/wrongExport.js';
import { copyTold } from './copyTold.js';
import { hostOf, type Dependencies } from './dependencies.js';
import { keptAlive } from './keptAlive.js';
import { pulse } from './pulse.js';
import type { TransferInput } from './transfer.js';

/** What may hurt the VM comes quickly: a file that the host writes to meanwhile fills up. */
const WATCH_MS = 1000;

/** Moves a disk by an export that the host serves. As qcow2 it goes on where an earlier attempt was; else it begins anew. */
export async function transferExport(
  dependencies: Dependencies,
  input: TransferInput,
  partial: PartialBackup,
): Promise<DiskResult> {
  const { disk, diskFormat: format = 'qcow2' } = input;
  const started = Date.now();
  const name = imageFileName(disk.label, format);
  const { sizeBytes, sha256, resumedAtBytes } =
    format === 'qcow2'
      ? await withCopier((copier) =>
          fromExport(dependencies, input, (source, signal) =>
            writeQcow2(source, partial, name, input, copier, signal),
          ),
        )
      : await fromExport(dependencies, input, (source, signal) =>
          partial.isHere
            ? convert(source, { file: join(partial.name, name), format }, disk, signal)
            : sendRaw(source, partial, name, disk, signal),
        );
  return {
    disk: {
      label: disk.label,
      capacityBytes: disk.capacityBytes,
      file: name,
      format: format === 'vmdk' ? 'vmdk-sparse' : format,
      originalPath: disk.path,
    },
    files: [{ path: name, role: 'disk', sizeBytes, sha256 }],
    bytes: sizeBytes - resumedAtBytes,
    durationMs: Date.now() - started,
    transport: input.transport,
    resumedAtBytes,
  };
}

type Written = Copied & { readonly resumedAtBytes: number };

/** It starts while the export is opened and its map is read. */
async function withCopier(write: (copier: Copier) => Promise<Written>): Promise<Written> {
  const copier = startCopier();
  try {
    return await write(copier);
  } finally {
    endCopier(copier);
  }
}

/** Opens the disk's export for as long as `write` takes, and watches meanwhile what may hurt the VM. */
async function fromExport(
  dependencies: Dependencies,
  input: TransferInput,
  write: (source: NamedExport, signal: AbortSignal) => Promise<Written>,
): Promise<Written> {
  const { disk, vm } = input;
  const host = await hostOf(dependencies, input);
  const opened = await host.openDisk(input.transport, vm.instanceUuid, input.snapshotId, disk, UNNOTED);
  if (opened.kind !== 'nbd') throw wrongExport(disk);
  const source = { ...opened, what: `disk ${disk.label} of "${vm.name}"` };
  try {
    if (opened.sizeBytes !== disk.capacityBytes) throw wrongExport(disk);
    return await keptAlive(
      () => host.watchVm(vm.instanceUuid, input.snapshotId),
      (signal) => write(source, signal),
      WATCH_MS,
    );
  } finally {
    await opened.close();
  }
}

/** In one pass from front to back, hashed on the way; what is zeros is neither read nor kept. */
async function writeQcow2(
  source: NamedExport,
  partial: PartialBackup,
  name: string,
  { disk, resumeFrom }: TransferInput,
  copier: Copier,
  signal: AbortSignal,
): Promise<Written> {
  const { capacityBytes } = disk;
  const keeper = pulse();
  const { extents, offsetBytes, done } = partial.isHere
    ? await keptOrRead(source, join(partial.name, name), keeper.now.checkpoint ?? resumeFrom, signal)
    : { extents: await readExportMap(source, signal), offsetBytes: 0, done: () => Promise.resolve() };
  const data = dataClusters(extents, capacityBytes, CLUSTER_BYTES);
  const totalBytes = data.reduce((sum, { from, to }) => sum + to - from, 0);
  const copied = await partial.copy(
    name,
    { source, offsetBytes, sparse: true, image: { capacityBytes, data } },
    (bytes, durableBytes) => {
      keeper.progress({ what: `disk ${disk.label}`, bytes: Math.min(bytes, totalBytes), totalBytes });
      if (partial.isHere) keeper.checkpoint({ file: name, durableBytes });
    },
    signal,
    copier,
  );
  await done();
  return { ...copied, resumedAtBytes: offsetBytes };
}

/** Which parts are zeros, as an earlier attempt found it where it can be gone on with: the image is laid out by it. */
async function keptOrRead(
  source: NamedExport,
  file: string,
  checkpoint: Checkpoint | undefined,
  signal: AbortSignal,
) {
  const map = `${file}.map`;
  const kept = checkpoint?.file === basename(file) ? await keptExportMap(map) : undefined;
  const extents = kept ?? (await readExportMap(source, signal));
  if (kept === undefined) await keepExportMap(map, extents);
  return {
    extents,
    offsetBytes: kept === undefined ? 0 : (checkpoint?.durableBytes ?? 0),
    done: () => rm(map, { force: true }),
  };
}

/** The whole disk, for where no program can go back and forth in the file. */
async function sendRaw(
  source: NamedExport,
  partial: PartialBackup,
  name: string,
  disk: DiskDescription,
  signal: AbortSignal,
): Promise<Written> {
  const copied = await copyTold(partial, name, { source, offsetBytes: 0, sparse: true }, disk, signal);
  return { ...copied, resumedAtBytes: 0 };
}

/** Into a file of this attempt's own: what still writes for an earlier one writes to a file that is gone. */
async function convert(source: NamedExport, target: ImageFile, disk: DiskDescription, signal: AbortSignal) {
  const keeper = pulse();
  const earlier = `${basename(target.file)}.attempt-`;
  for (const there of await readdir(dirname(target.file)))
    if (there.startsWith(earlier)) await rm(join(dirname(target.file), there), { force: true });
  const file = `${target.file}.attempt-${activityInfo().attempt}`;
  await copyToImage(
    source,
    { ...target, file },
    (fraction) => {
      const bytes = Math.round(fraction * disk.capacityBytes);
      keeper.progress({ what: `disk ${disk.label}`, bytes, totalBytes: disk.capacityBytes });
    },
    signal,
  );
  const stored = await hashFile(file, () => undefined, signal);
  await rename(file, target.file);
  return { ...stored, resumedAtBytes: 0 };
}

import { mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { FileManifest, FileVolume } from '../domain/fileManifest.js';
import { shortened } from '../volumes/copyFiles.js';
import { findBase } from './findBase.js';
import { BaseRefused, type BasePoint, type Moved, type ModuleProgress, type ModuleVolume } from './module.js';
import { refuseWish, type FileWish } from './refuseWish.js';
import { selectionsOf, spelled, type Selection } from './selection.js';

/** A file-level backup of volumes that are mounted. */
export interface FileBackup extends FileWish {
  readonly runId: string;
  readonly vm: { readonly name: string; readonly instanceUuid: string };
  /** The directory that has all volumes below it. */
  readonly path: string;
  readonly volumes: readonly ModuleVolume[];
  /** ISO 8601, by the host's clock. */
  readonly pointInTime: string;
  /** The directory in which the VM's file-level restore points lie (filePointsName). */
  readonly points: string;
  /** Name of this one there. */
  readonly pointName: string;
  /** The directory that it is built in, which is there and its run's own. */
  readonly partial: string;
}

/** What a restore point's manifest says of its files. */
export type FileContent = Pick<
  FileManifest,
  'kind' | 'module' | 'base' | 'fullBecause' | 'include' | 'exclude' | 'volumes' | 'notKept' | 'files'
>;

/** Small enough to go through a workflow. */
export interface BackedUpFiles {
  readonly content: FileContent;
  /** The last lines that the module's program said. */
  readonly lastLines: readonly string[];
}

/**
 * Makes the content of a file-level restore point in its partial directory; {@link finishFileBackup} makes it one. What an earlier attempt left
 * of it is written over. Where there is nothing to build a differential or incremental one on, it becomes a full one, and says why.
 *
 * @throws EverthawError; the signal's reason when cancelled, once all that was started is no more
 */
export async function backUpFiles(
  order: FileBackup,
  signal: AbortSignal,
  tell: (progress: ModuleProgress) => void,
): Promise<BackedUpFiles> {
  const { include, exclude } = order;
  refuseWish(order);
  const selections: Selection[] = [];
  for (const selection of selectionsOf(order.volumes, include, exclude))
    selections.push(await spelled(selection));
  const base = await baseFor(order, selections);
  if ('why' in base) return move(order, selections, { fullBecause: base.why }, signal, tell);
  try {
    return await move(order, selections, base, signal, tell);
  } catch (error) {
    if (!(error instanceof BaseRefused)) throw error;
    return move(order, selections, { fullBecause: error.message }, signal, tell);
  }
}

async function baseFor(
  { kind, module, vm, points, include, exclude }: FileBackup,
  selections: readonly Selection[],
): Promise<{ readonly point?: BasePoint } | { readonly why: string }> {
  if (kind === 'full') return {};
  const place = module.place === undefined ? {} : { place: module.place };
  const found = await findBase({
    ...{ kind, points, vmUuid: vm.instanceUuid, module: { name: module.name, ...place } },
    ...{ volumes: selections.map(({ volume }) => volume), include, exclude },
  });
  return 'why' in found ? found : { point: found };
}

async function move(
  order: FileBackup,
  selections: readonly Selection[],
  { point, fullBecause }: { readonly point?: BasePoint; readonly fullBecause?: string },
  signal: AbortSignal,
  tell: (progress: ModuleProgress) => void,
): Promise<BackedUpFiles> {
  const { module, runId, vm, path, include, exclude, partial, pointInTime, pointName } = order;
  const kind = fullBecause === undefined ? order.kind : 'full';
  const scratch = join(partial, '.module');
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { mode: 0o700 });
  let moved: Moved;
  try {
    moved = await module.move(
      {
        ...{ vmName: vm.name, runId, kind, path, selections, directory: partial, scratch },
        ...{ pointName, pointInTimeMs: Date.parse(pointInTime) },
        ...(point === undefined ? {} : { base: point }),
      },
      signal,
      tell,
    );
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  const content: FileContent = {
    kind: `file-${kind}`,
    module: { name: module.name, ...(module.place === undefined ? {} : { place: module.place }) },
    ...(point === undefined || !module.chains
      ? {}
      : { base: { directory: basename(point.directory), runId: point.runId } }),
    ...(fullBecause === undefined ? {} : { fullBecause }),
    ...{ include, exclude, files: moved.files },
    volumes: selections.map((selection, n) => ({ ...volumeOf(selection), ...moved.kept[n] })),
    notKept: shortened(moved.notKept),
  };
  return { content, lastLines: moved.lastLines };
}

function volumeOf({ volume, paths }: Selection): FileVolume {
  const { id, name, fileSystem, uuid, limits } = volume;
  return {
    id,
    ...(name === undefined ? {} : { name }),
    ...(fileSystem === undefined ? {} : { fileSystem }),
    ...(uuid === undefined ? {} : { uuid }),
    ...(limits === undefined ? {} : { limits }),
    paths: paths.map((steps) => steps.join('/')),
  };
}

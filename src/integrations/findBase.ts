import { join } from 'node:path';
import { isErrorWithCode } from '../domain/errors.js';
import { isFileManifest, type FileKind, type FileManifest, type FileVolume } from '../domain/fileManifest.js';
import { chainOf } from '../destinations/chain.js';
import { entryFault } from '../destinations/fileFault.js';
import { listRestorePoints } from '../destinations/listRestorePoints.js';
import { localBackup, type StoredBackup } from '../destinations/storedBackup.js';
import type { BasePoint } from './module.js';

/** What a differential or incremental restore point is to be like. */
export interface BaseWish {
  readonly kind: Exclude<FileKind, 'full'>;
  /** The directory in which the VM's file-level restore points lie. */
  readonly points: string;
  readonly vmUuid: string;
  readonly module: { readonly name: string; readonly place?: string };
  readonly volumes: readonly Pick<FileVolume, 'id' | 'name' | 'uuid'>[];
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** The newest restore point that it can be built on, or why there is none: what is wrong with the newest of all. */
export async function findBase(wish: BaseWish): Promise<BasePoint | { readonly why: string }> {
  const points = await pointsIn(wish);
  let why: string | undefined;
  for (const { backup, manifest } of points) {
    const fault = await unfitness(backup, manifest, wish);
    if (fault === undefined)
      return {
        directory: backup.directory,
        runId: manifest.runId,
        volumes: manifest.volumes,
        files: manifest.files,
      };
    why ??= `the last one, ${backup.directory}, cannot be built on: ${fault}`;
  }
  const none = `there is no ${wish.kind === 'differential' ? 'full ' : ''}file-level backup of this VM by ${wish.module.name} to build on`;
  return { why: why ?? none };
}

interface Point {
  readonly backup: StoredBackup;
  readonly manifest: FileManifest;
}

/** Those of the VM and module, the newest first. */
async function pointsIn({ points, kind, vmUuid, module }: BaseWish): Promise<readonly Point[]> {
  const listed = await listRestorePoints([points], 'one file system').catch((error: unknown) => {
    if (isErrorWithCode(error, 'WrongUsage')) return [];
    throw error;
  });
  const found: Point[] = [];
  for (const { directory } of listed.filter(({ state }) => state === 'whole' || state === 'damaged')) {
    // Deeper down lies somebody else's.
    if (join(directory, '..') !== points) continue;
    const backup = localBackup(directory);
    const manifest = await backup.manifest().catch(() => undefined);
    if (manifest === undefined || !isFileManifest(manifest)) continue;
    if (manifest.vm.instanceUuid !== vmUuid || manifest.module.name !== module.name) continue;
    if (kind === 'incremental' || manifest.kind === 'file-full') found.push({ backup, manifest });
  }
  return found.toSorted((a, b) => Date.parse(b.manifest.pointInTime) - Date.parse(a.manifest.pointInTime));
}

/** Why one cannot be built on; archives are looked at and not hashed, which would take as long as a full backup. */
async function unfitness(
  backup: StoredBackup,
  manifest: FileManifest,
  { module, volumes, include, exclude }: BaseWish,
): Promise<string | undefined> {
  if (manifest.module.place !== module.place) return 'its files are kept at another place';
  if (!isSame(manifest.include, include) || !isSame(manifest.exclude, exclude))
    return 'it was made with other patterns';
  const keys = (all: readonly Pick<FileVolume, 'id' | 'name' | 'uuid'>[]): readonly string[] =>
    all.map(({ id, name, uuid }) => JSON.stringify([id, name, uuid])).toSorted();
  if (!isSame(keys(manifest.volumes), keys(volumes))) return 'it is of other volumes';
  const chain = await chainOf(backup, manifest);
  if ('fault' in chain) return chain.fault;
  for (const link of chain.links)
    for (const file of link.manifest.files) {
      const fault = await entryFault(link.backup.directory, file);
      if (fault !== undefined) return fault;
    }
  return undefined;
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return JSON.stringify(one.toSorted()) === JSON.stringify(other.toSorted());
}

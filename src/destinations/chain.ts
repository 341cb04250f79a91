import { isErrorWithCode } from '../domain/errors.js';
import { isFileManifest, type BaseReference, type FileManifest } from '../domain/fileManifest.js';
import type { StoredBackup } from './storedBackup.js';

export interface ChainLink {
  readonly backup: StoredBackup;
  readonly manifest: FileManifest;
}

/** A file-level restore point with all that it cannot be restored without: the full one first, itself last. */
export type Chain =
  | { readonly links: readonly ChainLink[] }
  /** Why it has none that is whole. */
  | { readonly fault: string };

/** Looks for the restore points that one is built on, each beside the next. Nothing is hashed. */
export async function chainOf(backup: StoredBackup, manifest: FileManifest): Promise<Chain> {
  let links: readonly ChainLink[] = [{ backup, manifest }];
  for (let last = manifest; last.base !== undefined;) {
    const { base } = last;
    const called = `its base "${base.directory}"`;
    if (links.some((link) => link.manifest.runId === base.runId))
      return { fault: `${called} is built on itself` };
    const next: StoredBackup = links[0]?.backup.beside(base.directory) ?? backup;
    const found = await baseIn(next, base);
    if (typeof found === 'string') return { fault: `${called} ${found}` };
    const unlike = unlikeness(last, found);
    if (unlike !== undefined) return { fault: `${called} ${unlike}` };
    links = [{ backup: next, manifest: found }, ...links];
    last = found;
  }
  return { links };
}

async function baseIn(backup: StoredBackup, { runId }: BaseReference): Promise<FileManifest | string> {
  try {
    const manifest = await backup.manifest();
    if (!isFileManifest(manifest)) return 'is an image-level backup';
    return manifest.runId === runId ? manifest : 'is another backup than it was made on';
  } catch (error) {
    if (!isErrorWithCode(error, 'BackupDamaged')) throw error;
    return `is missing or damaged: ${error.why}`;
  }
}

function unlikeness(point: FileManifest, base: FileManifest): string | undefined {
  if (base.vm.instanceUuid !== point.vm.instanceUuid) return 'is of another VM';
  if (base.module.name !== point.module.name) return `was made by ${base.module.name}`;
  if (point.kind === 'file-differential' && base.kind !== 'file-full') return 'is not a full one';
  const lacks = point.volumes.find((volume) => !base.volumes.some(({ id }) => id === volume.id));
  return lacks === undefined ? undefined : `does not have volume ${lacks.name ?? lacks.id}`;
}

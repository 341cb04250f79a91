import { join } from 'node:path';
import { readFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { messageOf } from '../../domain/errors.js';
import type { FileVolume } from '../../domain/fileManifest.js';
import type { ChainLink } from '../../destinations/chain.js';
import { entryFault } from '../../destinations/fileFault.js';
import { damaged } from '../../destinations/restorePoint.js';
import { parseListing } from '../listingFile.js';
import { treeStateOf, type TreeState } from './treeState.js';

/** A volume's archive of one restore point, and what stood in the volume then. */
export interface TarLayer {
  /** Of the restore point. */
  readonly directory: string;
  readonly archive: string;
  readonly state: TreeState;
}

/** The layers of a volume, the full one first. Archives are there in their sizes; listings are hashed. @throws EverthawError BackupDamaged */
export async function tarLayers(
  links: readonly ChainLink[],
  { id }: FileVolume,
): Promise<readonly TarLayer[]> {
  const layers: TarLayer[] = [];
  for (const { backup, manifest } of links) {
    const { directory } = backup;
    const volume = manifest.volumes.find((each) => each.id === id);
    const archive = manifest.files.find(({ path }) => path === volume?.archive);
    const listing = manifest.files.find(({ path }) => path === volume?.listing);
    if (volume === undefined || archive === undefined || listing === undefined)
      throw damaged(directory, `it has no archive of volume ${id}`);
    const fault = (await entryFault(directory, archive)) ?? (await entryFault(directory, listing));
    if (fault !== undefined) throw damaged(directory, fault);
    const bytes = await readFile(join(directory, listing.path));
    if (createHash('sha256').update(bytes).digest('hex') !== listing.sha256)
      throw damaged(directory, `${listing.path} is not what was backed up`);
    try {
      const state = treeStateOf(parseListing(bytes), volume.paths);
      layers.push({ directory, archive: join(directory, archive.path), state });
    } catch (error) {
      throw damaged(directory, `${listing.path}: ${messageOf(error)}`);
    }
  }
  return layers;
}

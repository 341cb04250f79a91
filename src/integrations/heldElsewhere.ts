import { messageOf } from '../domain/errors.js';
import { isFileManifest, type AnyManifest } from '../domain/fileManifest.js';
import type { ResticRepository } from '../domain/moduleChoice.js';
import type { HeldElsewhere } from '../destinations/forgetPoint.js';
import type { Repositories } from './repositories.js';
import { repositoryOf } from './repositories.js';
import { forgetSnapshots } from './resticSnapshots.js';

/** Snapshots of restic's go with the restore points that name them; what a command carried away stays, for nothing is known of it. */
export function heldElsewhere(repositories: Repositories): HeldElsewhere {
  const find = (
    manifest: AnyManifest,
  ): { readonly repository: ResticRepository; readonly ids: readonly string[] } | undefined => {
    if (!isFileManifest(manifest) || manifest.module.name !== 'restic') return undefined;
    const ids = manifest.volumes.flatMap(({ snapshot }) => snapshot ?? []);
    return { repository: repositoryOf(manifest, repositories, 'forget its snapshots'), ids };
  };
  return {
    refusal: (manifest) => {
      try {
        find(manifest);
        return undefined;
      } catch (error) {
        return messageOf(error);
      }
    },
    remove: async (manifest) => {
      const found = find(manifest);
      if (found !== undefined)
        await forgetSnapshots(found.repository, found.ids, new AbortController().signal);
    },
  };
}

import { messageOf } from '../domain/errors.js';
import { isFileManifest, type AnyManifest } from '../domain/fileManifest.js';
import type { HeldElsewhere } from '../destinations/forgetPoint.js';
import { placeOfPoint } from './rclone.js';
import { purgePlace } from './rcloneProgram.js';
import { named, type Repositories } from './repositories.js';
import { forgetSnapshots } from './resticSnapshots.js';

/**
 * Snapshots of restic's and copies of rclone's go with the restore points that name them; what a command carried away stays, for nothing
 * is known of it.
 */
export function heldElsewhere(repositories: Repositories): HeldElsewhere {
  const never = new AbortController().signal;
  /** What removes it; found before anything is removed. */
  const removal = (manifest: AnyManifest): (() => Promise<void>) => {
    if (!isFileManifest(manifest)) return () => Promise.resolve();
    switch (manifest.module.name) {
      case 'restic': {
        const repository = named(repositories.restic(), manifest, 'forget its snapshots');
        const ids = manifest.volumes.flatMap(({ snapshot }) => snapshot ?? []);
        return () => forgetSnapshots(repository, ids, never);
      }
      case 'rclone': {
        const destination = named(repositories.rclone(), manifest, 'remove its copies');
        const place = placeOfPoint(destination, manifest);
        return () => purgePlace(destination, place, manifest.runId, never);
      }
      default:
        return () => Promise.resolve();
    }
  };
  return {
    refusal: (manifest) => {
      try {
        removal(manifest);
        return undefined;
      } catch (error) {
        return messageOf(error);
      }
    },
    remove: (manifest) => removal(manifest)(),
  };
}

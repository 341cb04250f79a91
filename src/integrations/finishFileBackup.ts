import type { FileManifest } from '../domain/fileManifest.js';
import { MANIFEST_FILE } from '../domain/manifest.js';
import type { Destination } from '../destinations/destination.js';
import type { BackedUpFiles } from './backUpFiles.js';

/** What a manifest says beside its files: who, when and how. */
export type FileBackupOrigin = Pick<
  FileManifest,
  'everthawVersion' | 'runId' | 'workflowId' | 'host' | 'vm' | 'pointInTime' | 'consistency' | 'transport'
>;

/**
 * Writes the manifest and makes the partial directory the restore point, as of an image-level one: all of it is on the disk before its name
 * changes. Its owner file is still in it ({@link Destination.disown}). An attempt that was cut off behind the change of names has done all of it.
 *
 * @throws EverthawError
 */
export async function finishFileBackup(
  destination: Destination,
  origin: FileBackupOrigin,
  { content }: Pick<BackedUpFiles, 'content'>,
): Promise<void> {
  const { runId } = origin;
  if ((await destination.restorePoint())?.runId === runId) return;
  const partial = destination.partialOf(runId);
  const manifest: FileManifest = { format: 'everthaw/1', ...origin, ...content };
  await partial.write(MANIFEST_FILE, `${JSON.stringify(manifest, undefined, 2)}\n`);
  await partial.commit();
}

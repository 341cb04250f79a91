import { mkdir, readdir, rmdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { stateDirectories } from '../config/directories.js';
import type { Settings } from '../config/settings.js';
import { EverthawError } from '../domain/errors.js';
import { isFileManifest } from '../domain/fileManifest.js';
import { formatBytes } from '../domain/format.js';
import { printable } from '../domain/printable.js';
import type { CopiedFiles } from '../volumes/copyFiles.js';
import { readVolumes } from '../volumes/readVolumes.js';
import { openFilePoint } from '../integrations/reading/filePoint.js';
import { imagesOf, openBackup } from './backupImages.js';
import { repositories } from '../requests/moduleChoice.js';
import { EXIT, Output } from './output.js';

/** Copies files out of a backup. Exit code 3 where some that were wanted could not be. */
export async function getFiles(
  settings: Settings,
  backup: string,
  paths: readonly string[],
  toText: string,
  json: boolean,
): Promise<void> {
  const output = new Output(json);
  const opened = await openBackup(backup);
  const point = isFileManifest(opened.manifest)
    ? await openFilePoint(opened.directory, opened.manifest, repositories(settings))
    : undefined;
  const images = point === undefined ? await imagesOf(opened) : [];
  const { directory: to, isNew } = await emptyDirectory(toText);
  const isSeen = process.stdout.isTTY && !json;
  let copied: CopiedFiles | undefined;
  const task = { kind: 'copy', paths, to } as const;
  try {
    if (point !== undefined) copied = await point.copy(paths, to, process.getuid?.() === 0);
    else
      await readVolumes(images, task, stateDirectories(settings).volumes, (report) => {
        if (report.kind === 'copied') copied = report.copied;
        if (report.kind === 'progress' && isSeen)
          process.stdout.write(`\r\u001b[K${formatBytes(report.bytes)}`);
      });
  } finally {
    // With something in it, it stays: what was copied is the user's.
    if (isNew && copied === undefined) await rmdir(to).catch(() => undefined);
  }
  if (isSeen) process.stdout.write('\r\u001b[K');
  if (copied === undefined) return;
  const { files, bytes, failures, notKept } = copied;
  const state = failures.length === 0 ? 'done' : 'partial';
  output.result({ state, directory: to, ...copied }, [
    ...notKept.map((line) => printable(`not kept: ${line}`)),
    ...failures.map((line) => printable(`failed: ${line}`)),
    `${state}: ${files} files, ${formatBytes(bytes)} in ${printable(to)}`,
  ]);
  if (state === 'partial') process.exitCode = EXIT.partial;
}

/**
 * A new directory that nobody else gets into, for the guest's files keep their modes and may be anybody's here; or an empty one that is
 * there. One with something in it is not mixed into: what lies there could lead elsewhere.
 */
async function emptyDirectory(
  text: string,
): Promise<{ readonly directory: string; readonly isNew: boolean }> {
  const directory = resolve(text);
  const refuse = (why: string, hint: string): never => {
    throw new EverthawError({ code: 'DestinationInUse', what: `copy files to "${directory}"`, why, hint });
  };
  try {
    await mkdir(directory, { mode: 0o700 });
    return { directory, isNew: true };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST')
      return refuse(
        `it cannot be made (${code ?? String(error)})`,
        'name one whose parent exists and may be written to',
      );
  }
  const there = await readdir(directory).catch(() => undefined);
  if (there === undefined)
    return refuse('it is no directory that can be read', 'name a new or an empty directory');
  if (there.length > 0) return refuse('it is not empty', 'name a new or an empty directory');
  return { directory, isNew: false };
}

import { chmod, mkdtemp, readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { EverthawError } from '../../domain/errors.js';
import type { FileManifest, FileVolume } from '../../domain/fileManifest.js';
import { chainOf } from '../../destinations/chain.js';
import { damaged } from '../../destinations/restorePoint.js';
import { localBackup } from '../../destinations/storedBackup.js';
import { shortened, type CopiedFiles } from '../../volumes/copyFiles.js';
import { findPath, placeOf, volumesWithin } from '../../volumes/guestPath.js';
import type { FileEntry } from '../../volumes/listFiles.js';
import { makePlace } from '../../volumes/makePlace.js';
import { endOfModule, moduleFailed } from '../moduleProgram.js';
import { named, type Repositories } from '../repositories.js';
import { removeTree } from './copyFromTar.js';
import type { FileReader, WantedFiles } from './fileReader.js';
import { rcloneReader } from './rcloneReader.js';
import { resticReader } from './resticReader.js';
import { tarReader } from './tarReader.js';

/** A file-level restore point of this machine, open to be read. */
export interface FilePoint {
  /** Tells what is in a directory of the guest's. @throws EverthawError FileNotFound */
  list(path: string, tell: (entries: readonly FileEntry[]) => void): Promise<void>;
  /** Copies into an empty directory, in the layout of files out of image-level backups. @throws EverthawError */
  copy(paths: readonly string[], to: string, keepsOwners: boolean): Promise<CopiedFiles>;
}

/** @throws EverthawError BackupDamaged where what it is built on is not there; WrongUsage where its files are read by other means */
export async function openFilePoint(
  directory: string,
  manifest: FileManifest,
  repositories: Repositories,
): Promise<FilePoint> {
  const chain = await chainOf(localBackup(directory), manifest);
  if ('fault' in chain) throw damaged(directory, chain.fault);
  const what = `read the files of the backup in "${directory}"`;
  const reader = readerOf(directory, manifest, {
    tar: () => tarReader(chain.links, manifest),
    restic: () => resticReader(named(repositories.restic(), manifest, what), directory),
    rclone: () => rcloneReader(named(repositories.rclone(), manifest, what), directory, manifest),
  });
  return {
    list: (path, tell) => reader.list(findPath(path, manifest.volumes), tell),
    copy: async (paths, to, keepsOwners) => {
      const wanted = wantedFiles(paths, manifest.volumes);
      for (const each of wanted) await reader.check(each);
      return copyAll(reader, wanted, to, keepsOwners);
    },
  };
}

function readerOf(
  directory: string,
  { module }: FileManifest,
  readers: Readonly<Record<string, () => FileReader>>,
): FileReader {
  const reader = Object.hasOwn(readers, module.name) ? readers[module.name] : undefined;
  if (reader !== undefined) return reader();
  throw new EverthawError({
    code: 'WrongUsage',
    what: `read the files of the backup in "${directory}"`,
    why: `${module.name} carried them elsewhere${module.place === undefined ? '' : ` (${module.place})`}`,
    hint: `fetch them from there with ${module.name}`,
  });
}

/** By volume; with a directory go the volumes that the guest mounts below it. */
function wantedFiles(paths: readonly string[], volumes: readonly FileVolume[]): readonly WantedFiles[] {
  const wanted = new Map<FileVolume, readonly (readonly string[])[]>();
  const want = (volume: FileVolume, steps: readonly string[]): void => {
    wanted.set(volume, [...(wanted.get(volume) ?? []), steps]);
  };
  for (const found of paths.map((path) => findPath(path, volumes))) {
    want(found.volume, found.steps);
    for (const within of volumesWithin(found, volumes)) want(within, []);
  }
  return [...wanted].map(([volume, each]) => ({ volume, paths: each }));
}

/** Aside first, where nobody else gets in: what the guest made to be run with its owner's rights is so only there. */
async function copyAll(
  reader: FileReader,
  wanted: readonly WantedFiles[],
  to: string,
  keepsOwners: boolean,
): Promise<CopiedFiles> {
  const failures: string[] = [];
  const notKept: string[] = [];
  const aside = await mkdtemp(join(to, '.everthaw-'));
  try {
    const upper = wanted.toSorted((a, b) => placeOf(a.volume).length - placeOf(b.volume).length);
    for (const each of upper) {
      const place = await makePlace(aside, placeOf(each.volume));
      if (place === undefined) {
        failures.push(
          `volume ${each.volume.name ?? each.volume.id}: what the guest has there is no directory`,
        );
        continue;
      }
      const copied = await reader.copy(each, place, keepsOwners);
      failures.push(...copied.failures);
      notKept.push(...copied.notKept);
    }
    notKept.push(...(await tame(aside)));
    const { files, bytes } = await measure(aside);
    for (const name of await readdir(aside)) await moveDirectory(join(aside, name), join(to, name));
    return { files, bytes, failures: shortened(failures), notKept: shortened(notKept) };
  } finally {
    await removeTree(Buffer.from(aside));
  }
}

/** One that its owner may not write to cannot be moved by a user. */
async function moveDirectory(from: string, to: string): Promise<void> {
  const { mode } = await stat(from);
  await chmod(from, 0o700);
  await rename(from, to);
  await chmod(to, mode & 0o7777);
}

/** Takes away devices and pipes, and the set-uid and set-gid bits of files. */
async function tame(directory: string): Promise<readonly string[]> {
  const said = await find(directory, [
    ...['(', '-type', 'f', '-perm', '/6000', '-printf', '%P: its set-uid or set-gid bit is not kept\\0'],
    ...['-exec', 'chmod', 'u-s,g-s', '{}', ';', ')', '-o'],
    ...['(', '-type', 'b', '-o', '-type', 'c', '-o', '-type', 'p', '-o', '-type', 's', ')'],
    ...['-printf', '%P: a device, pipe or socket is not copied\\0', '-delete'],
  ]);
  return said.split('\0').filter((line) => line !== '');
}

async function measure(directory: string): Promise<{ readonly files: number; readonly bytes: number }> {
  const sizes = (await find(directory, ['-type', 'f', '-printf', '%s\\n'])).split('\n').slice(0, -1);
  return { files: sizes.length, bytes: sizes.reduce((sum, size) => sum + Number(size), 0) };
}

async function find(directory: string, words: readonly string[]): Promise<string> {
  const printed: string[] = [];
  const run = {
    ...{
      program: 'find',
      args: [directory, ...words],
      what: `look through "${directory}"`,
      debian: 'findutils',
    },
    onOutput: (text: string) => printed.push(text),
  };
  const { exit, firstLines } = await endOfModule(run, new AbortController().signal);
  if (exit !== 0) throw moduleFailed(run, exit, firstLines);
  return printed.join('');
}

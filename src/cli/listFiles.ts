import { stateDirectories } from '../config/directories.js';
import type { Settings } from '../config/settings.js';
import { formatBytes } from '../domain/format.js';
import { printable } from '../domain/printable.js';
import type { FileEntry } from '../volumes/listFiles.js';
import { isFileManifest, type FileManifest } from '../domain/fileManifest.js';
import { openFilePoint } from '../integrations/reading/filePoint.js';
import { findAllVolumes, readVolumes } from '../volumes/readVolumes.js';
import type { NamedVolume } from '../volumes/volume.js';
import { imagesOf, openBackup } from './backupImages.js';
import { repositories } from '../requests/moduleChoice.js';
import { EXIT, Output } from './output.js';
import { formatTable } from './table.js';

/** Lists the volumes of a backup, and all of its disks that cannot be read: exit code 0 all the same, for that is what was asked. */
export async function listVolumes(settings: Settings, backup: string, json: boolean): Promise<void> {
  const output = new Output(json);
  const opened = await openBackup(backup);
  if (isFileManifest(opened.manifest)) {
    listFileVolumes(opened.manifest, output);
    return;
  }
  const images = await imagesOf(opened);
  const { volumes, disks, notes } = await findAllVolumes(images, stateDirectories(settings).volumes);
  for (const volume of volumes) output.result(volume, []);
  for (const disk of disks) output.result(disk, []);
  for (const note of notes) output.result({ note }, []);
  const table = formatTable(
    ['VOLUME', 'NAME', 'SIZE', 'FILE SYSTEM', 'LABEL', 'REMARK'],
    volumes.map(cellsOf),
  );
  for (const line of volumes.length > 0 ? table : []) output.say(line);
  for (const { disk, refusal } of disks) output.say(printable(`disk ${disk}: ${refusal}`));
  for (const note of notes) output.say(printable(`note: ${note}`));
}

function cellsOf({
  id,
  name,
  sizeBytes,
  fileSystem,
  label,
  refusal,
  limits,
}: NamedVolume): readonly string[] {
  const remark = refusal === undefined ? (limits ?? '') : `not readable: ${refusal}`;
  return [id, name ?? '-', formatBytes(sizeBytes), fileSystem ?? '-', label ?? '-', remark].map(printable);
}

function listFileVolumes({ volumes }: FileManifest, output: Output): void {
  for (const volume of volumes) output.result(volume, []);
  const cells = volumes.map(({ id, name, fileSystem, paths, limits }) => {
    const remarks = [
      ...(paths.length === 0 ? [] : [`only ${paths.join(', ')}`]),
      ...(limits === undefined ? [] : [limits]),
    ];
    return [id, name ?? '-', fileSystem ?? '-', remarks.join('; ')].map(printable);
  });
  for (const line of formatTable(['VOLUME', 'NAME', 'FILE SYSTEM', 'REMARK'], cells)) output.say(line);
}

/** Lists a directory of a guest's. Exit code 3 where something in it cannot be read. */
export async function listDirectory(
  settings: Settings,
  backup: string,
  path: string,
  json: boolean,
): Promise<void> {
  const output = new Output(json);
  const tell = (entries: readonly FileEntry[]): void => {
    for (const entry of entries) {
      output.result(entry, [lineOf(entry)]);
      if (entry.type === 'unreadable') process.exitCode = EXIT.partial;
    }
  };
  const opened = await openBackup(backup);
  if (isFileManifest(opened.manifest)) {
    const point = await openFilePoint(opened.directory, opened.manifest, repositories(settings));
    await point.list(path, tell);
    return;
  }
  const images = await imagesOf(opened);
  await readVolumes(images, { kind: 'list', path }, stateDirectories(settings).volumes, (report) => {
    if (report.kind === 'entries') tell(report.entries);
  });
}

function lineOf({ type, mode, uid, gid, sizeBytes, modified, name, target, why }: FileEntry): string {
  if (type === 'unreadable') return printable(`unreadable (${why ?? ''})  ${name}`);
  const owner = `${uid ?? ''}:${gid ?? ''}`.padEnd(11);
  const size = String(sizeBytes ?? '').padStart(12);
  const time = (modified ?? '').replace(/\.\d+Z$/, 'Z');
  const arrow = target === undefined ? '' : ` -> ${target}`;
  return printable(`${type.padEnd(9)}  ${mode ?? ''}  ${owner}  ${size}  ${time}  ${name}${arrow}`);
}

import { lstat, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FileManifest, FileVolume } from '../../domain/fileManifest.js';
import type { RcloneDestination } from '../../domain/moduleChoice.js';
import { fileFault } from '../../destinations/fileFault.js';
import { damaged } from '../../destinations/restorePoint.js';
import { fileSystemOf } from '../../volumes/fileSystems.js';
import type { FileEntry } from '../../volumes/listFiles.js';
import { parseCopied, type CopiedFile } from '../copiedFiles.js';
import { placeOfPoint } from '../rclone.js';
import { placeBelow, runRclone } from '../rcloneProgram.js';
import { readMembers, type Member } from './archiveMembers.js';
import { extract } from './copyFromTar.js';
import type { FilePath, FileReader } from './fileReader.js';
import { notFound } from './notFound.js';
import { entryOf as entryOfMember } from './tarReader.js';
import { bytesOf, isWithin, pathBelow, splitPath, textOf } from './treeState.js';

/** Reads what rclone copied, by the list of it and the frame of directories and links that lie in the restore point. */
export function rcloneReader(
  destination: RcloneDestination,
  directory: string,
  manifest: FileManifest,
): FileReader {
  const opened = new Map<string, Promise<KeptVolume>>();
  const openVolume = (volume: FileVolume): Promise<KeptVolume> => {
    const kept = opened.get(volume.id) ?? readKept(directory, manifest, volume);
    opened.set(volume.id, kept);
    return kept;
  };
  const entriesIn = async (volume: FileVolume, path: string): Promise<readonly FileEntry[]> => {
    const { frame, files } = await openVolume(volume);
    const found: FileEntry[] = [];
    for (const [each, member] of frame) {
      const step = splitPath(each);
      if (step?.directory === path) found.push(entryOfMember(step.name, member));
    }
    for (const [each, file] of files) {
      const step = splitPath(each);
      if (step?.directory === path) found.push(fileEntry(textOf(step.name), file));
    }
    return found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  };
  const isDirectory = async (volume: FileVolume, path: string): Promise<boolean> =>
    path === '' || (await openVolume(volume)).frame.get(path)?.type === 'd';
  const findIn = async (volume: FileVolume, steps: FilePath['steps']): Promise<string> => {
    const ignoresCase = fileSystemOf(volume.fileSystem ?? '')?.ignoresCase ?? false;
    let path = '';
    for (const step of steps) {
      const entries = (await isDirectory(volume, path)) ? await entriesIn(volume, path) : [];
      const found =
        entries.find(({ name }) => name === step) ??
        (ignoresCase ? entries.find(({ name }) => name.toLowerCase() === step.toLowerCase()) : undefined);
      if (found === undefined) throw notFound(steps, `there is no ${step} in /${textOf(path)}`);
      path = pathBelow(path, bytesOf(found.name));
    }
    return path;
  };
  return {
    list: async ({ volume, steps }, tell) => {
      const path = await findIn(volume, steps);
      if (await isDirectory(volume, path)) {
        tell(await entriesIn(volume, path));
        return;
      }
      const step = splitPath(path) ?? { directory: '', name: '' };
      tell((await entriesIn(volume, step.directory)).filter(({ name }) => name === textOf(step.name)));
    },
    check: async ({ volume, paths }) => {
      for (const steps of paths) await findIn(volume, steps);
    },
    copy: async ({ volume, paths }, place, keepsOwners) => {
      const { frame, files } = await openVolume(volume);
      const wanted: string[] = [];
      for (const steps of paths) wanted.push(await findIn(volume, steps));
      const from = placeOf(destination, directory, manifest, volume);
      // Files first, where nothing of the guest's is yet: no link of its is ever written through.
      const expected = [...files].filter(([path]) => wanted.some((top) => isWithin(path, top)));
      for (const path of wanted.filter((top) => expected.some(([each]) => isWithin(each, top)))) {
        const at = path === '' ? from : placeBelow(from, textOf(path));
        const to = path === '' ? place : join(place, textOf(path));
        const what = `copy files of ${volume.name ?? volume.id} from "${destination.place}"`;
        const kind = files.has(path) ? 'copyto' : 'copy';
        await runRclone(
          destination,
          { args: [kind, '--skip-links', '--metadata', '--', at, to], what },
          new AbortController().signal,
        );
      }
      const missing = await missingOf(expected, place, volume);
      const asked = new Map(
        [...frame].filter(([path, { type }]) =>
          wanted.some((top) => isWithin(path, top) || (type === 'd' && isWithin(top, path))),
        ),
      );
      const scratch = await mkdtemp(join(tmpdir(), 'everthaw-get-'));
      try {
        const archive = join(directory, volume.frame ?? '');
        const failures = await extract({ archive }, asked, wanted, place, keepsOwners, scratch);
        return { failures: [...missing, ...failures], notKept: [] };
      } finally {
        await rm(scratch, { recursive: true, force: true });
      }
    },
  };
}

/** A place is believed only below that of the restore point. @throws EverthawError BackupDamaged */
function placeOf(
  destination: RcloneDestination,
  directory: string,
  manifest: FileManifest,
  { id, place = '' }: FileVolume,
): string {
  const point = placeOfPoint(destination, manifest);
  if (place.startsWith(`${point}/`) && !place.slice(point.length + 1).includes('/')) return place;
  throw damaged(directory, `its manifest has volume ${id} at "${place}"`);
}

/** What was copied there once, and is not, or not as large, any more. */
async function missingOf(
  expected: readonly (readonly [string, CopiedFile])[],
  place: string,
  { id, name }: FileVolume,
): Promise<readonly string[]> {
  const missing: string[] = [];
  for (const [path, { Size }] of expected) {
    const at = Buffer.concat([Buffer.from(`${place}/`), Buffer.from(path, 'latin1')]);
    const found = await lstat(at).catch(() => undefined);
    if (found?.isFile() === true && found.size === Size) continue;
    const called = `${name ?? id}: ${textOf(path)}`;
    missing.push(
      found === undefined
        ? `${called} is not where rclone copied it`
        : `${called} has ${found.size} bytes there, and had ${Size}`,
    );
  }
  return missing;
}

/** What lies of a volume beside the manifest, each by its path. */
interface KeptVolume {
  readonly frame: ReadonlyMap<string, Member>;
  readonly files: ReadonlyMap<string, CopiedFile>;
}

/** @throws EverthawError BackupDamaged where it is not what was written */
async function readKept(
  directory: string,
  { files }: FileManifest,
  { id, frame, copied }: FileVolume,
): Promise<KeptVolume> {
  for (const name of [frame, copied]) {
    const file = files.find(({ path }) => path === name);
    if (file === undefined) throw damaged(directory, `its manifest names no frame of volume ${id}`);
    const fault = await fileFault(directory, file, () => undefined, new AbortController().signal);
    if (fault !== undefined) throw damaged(directory, fault);
  }
  const members = new Map<string, Member>();
  await readMembers(join(directory, frame ?? ''), (member) => members.set(member.path, member));
  const list = parseCopied(await readFile(join(directory, copied ?? ''), 'utf8'));
  return { frame: members, files: new Map(list.map((file) => [bytesOf(file.Path), file])) };
}

function fileEntry(name: string, { Size, ModTime, Metadata }: CopiedFile): FileEntry {
  const { mode, uid, gid } = Metadata;
  return {
    name,
    type: 'file',
    ...{ sizeBytes: Size, modified: new Date(ModTime).toISOString() },
    ...(mode === undefined ? {} : { mode: mode.slice(-4).padStart(4, '0') }),
    ...(uid === undefined ? {} : { uid: Number(uid) }),
    ...(gid === undefined ? {} : { gid: Number(gid) }),
  };
}

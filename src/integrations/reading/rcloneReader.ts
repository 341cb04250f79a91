import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import type { FileManifest, FileVolume } from '../../domain/fileManifest.js';
import type { RcloneDestination } from '../../domain/moduleChoice.js';
import { fileFault } from '../../destinations/fileFault.js';
import { damaged } from '../../destinations/restorePoint.js';
import { fileSystemOf } from '../../volumes/fileSystems.js';
import type { FileEntry } from '../../volumes/listFiles.js';
import { placeOfPoint } from '../rclone.js';
import { askRclone, placeBelow, runRclone } from '../rcloneProgram.js';
import { readMembers, type Member } from './archiveMembers.js';
import { extract } from './copyFromTar.js';
import type { FilePath, FileReader } from './fileReader.js';
import { notFound } from './notFound.js';
import { entryOf as entryOfMember } from './tarReader.js';
import { bytesOf, isWithin, pathBelow, splitPath, textOf } from './treeState.js';

const LISTED = z.array(
  z.object({
    Name: z.string(),
    Size: z.number(),
    ModTime: z.string(),
    Metadata: z.record(z.string(), z.string()).default({}),
  }),
);

/** Reads what rclone copied, with the frame of directories and links that lies in the restore point. */
export function rcloneReader(
  destination: RcloneDestination,
  directory: string,
  manifest: FileManifest,
): FileReader {
  const never = new AbortController().signal;
  const frames = new Map<string, Promise<ReadonlyMap<string, Member>>>();
  const frameOf = (volume: FileVolume): Promise<ReadonlyMap<string, Member>> => {
    const frame = frames.get(volume.id) ?? readFrame(directory, manifest, volume);
    frames.set(volume.id, frame);
    return frame;
  };
  /** A place is believed only below that of the restore point. */
  const placeOf = (volume: FileVolume, path: string): string => {
    const point = placeOfPoint(destination, manifest);
    const { place = '' } = volume;
    if (!place.startsWith(`${point}/`) || place.slice(point.length + 1).includes('/'))
      throw damaged(directory, `its manifest has volume ${volume.id} at "${place}"`);
    return path === '' ? place : placeBelow(place, textOf(path));
  };
  const filesIn = async (volume: FileVolume, path: string): Promise<readonly FileEntry[]> => {
    const at = placeOf(volume, path);
    const args = ['lsjson', '--files-only', '--metadata', '--', at];
    const text = await askRclone(destination, { args, what: `list "${at}"` }, never);
    return LISTED.parse(JSON.parse(text ?? '[]')).map(fileEntry);
  };
  const entriesIn = async (volume: FileVolume, path: string): Promise<readonly FileEntry[]> => {
    const frame = [...(await frameOf(volume))].flatMap(([each, member]) => {
      const step = splitPath(each);
      return step?.directory === path ? [entryOfMember(step.name, member)] : [];
    });
    return [...frame, ...(await filesIn(volume, path))].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  };
  const isDirectory = async (volume: FileVolume, path: string): Promise<boolean> =>
    path === '' || (await frameOf(volume)).get(path)?.type === 'd';
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
      const frame = await frameOf(volume);
      const wanted: string[] = [];
      for (const steps of paths) wanted.push(await findIn(volume, steps));
      // Files first, where nothing of the guest's is yet: no link of its is ever written through.
      for (const path of wanted) {
        if (frame.has(path) && frame.get(path)?.type !== 'd') continue;
        const to = path === '' ? place : join(place, textOf(path));
        const what = `copy files of ${volume.name ?? volume.id} from "${destination.place}"`;
        const kind = (await isDirectory(volume, path)) ? 'copy' : 'copyto';
        const args = [kind, '--skip-links', '--metadata', '--', placeOf(volume, path), to];
        await runRclone(destination, { args, what }, never);
      }
      const asked = new Map(
        [...frame].filter(([path, { type }]) =>
          wanted.some((top) => isWithin(path, top) || (type === 'd' && isWithin(top, path))),
        ),
      );
      const scratch = await mkdtemp(join(tmpdir(), 'everthaw-get-'));
      try {
        const archive = join(directory, volume.frame ?? '');
        return {
          failures: await extract({ archive }, asked, wanted, place, keepsOwners, scratch),
          notKept: [],
        };
      } finally {
        await rm(scratch, { recursive: true, force: true });
      }
    },
  };
}

/** By path. @throws EverthawError BackupDamaged where it is not what was written */
async function readFrame(
  directory: string,
  { files }: FileManifest,
  { id, frame }: FileVolume,
): Promise<ReadonlyMap<string, Member>> {
  const file = files.find(({ path }) => path === frame);
  if (file === undefined) throw damaged(directory, `its manifest names no frame of volume ${id}`);
  const fault = await fileFault(directory, file, () => undefined, new AbortController().signal);
  if (fault !== undefined) throw damaged(directory, fault);
  const members = new Map<string, Member>();
  await readMembers(join(directory, file.path), (member) => members.set(member.path, member));
  return members;
}

function fileEntry({ Name, Size, ModTime, Metadata }: z.infer<typeof LISTED>[number]): FileEntry {
  const { mode, uid, gid } = Metadata;
  return {
    name: Name,
    type: 'file',
    ...{ sizeBytes: Size, modified: new Date(ModTime).toISOString() },
    ...(mode === undefined ? {} : { mode: mode.slice(-4).padStart(4, '0') }),
    ...(uid === undefined ? {} : { uid: Number(uid) }),
    ...(gid === undefined ? {} : { gid: Number(gid) }),
  };
}

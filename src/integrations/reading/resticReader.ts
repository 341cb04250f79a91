import { isAbsolute } from 'node:path';
import * as z from 'zod';
import type { FileVolume } from '../../domain/fileManifest.js';
import type { ResticRepository } from '../../domain/moduleChoice.js';
import { damaged } from '../../destinations/restorePoint.js';
import { fileSystemOf } from '../../volumes/fileSystems.js';
import type { FileEntry } from '../../volumes/listFiles.js';
import { askRestic, endOfRestic, resticFailed } from '../resticProgram.js';
import type { FilePath, FileReader } from './fileReader.js';
import { notFound } from './notFound.js';

const NODE = z.object({
  struct_type: z.literal('node'),
  name: z.string(),
  type: z.string(),
  path: z.string(),
  uid: z.number(),
  gid: z.number(),
  size: z.number().default(0),
  mode: z.number(),
  mtime: z.string(),
  linktarget: z.string().exactOptional(),
});
type Node = z.infer<typeof NODE>;

/** Reads the snapshots of a restore point made by restic. @param directory the restore point, for errors */
export function resticReader(repository: ResticRepository, directory: string): FileReader {
  const never = new AbortController().signal;
  const nodesIn = async (volume: FileVolume, path: string): Promise<readonly Node[]> => {
    const what = `list ${path} of ${volume.name ?? volume.id} in the repository "${repository.place}"`;
    const args = ['ls', '--json', '--no-lock', snapshotOf(volume, directory), path];
    const lines = await askRestic(repository, { args, what }, never);
    return lines.flatMap((line) => NODE.safeParse(JSON.parse(line)).data ?? []);
  };
  const findIn = async (volume: FileVolume, steps: FilePath['steps']): Promise<string> => {
    const ignoresCase = fileSystemOf(volume.fileSystem ?? '')?.ignoresCase ?? false;
    let path = '';
    for (const step of steps) {
      const below = (await nodesIn(volume, path || '/')).filter((node) => isChild(node, path));
      const found =
        below.find(({ name }) => name === step) ??
        (ignoresCase ? below.find(({ name }) => name.toLowerCase() === step.toLowerCase()) : undefined);
      if (found === undefined) throw notFound(steps, `there is no ${step} in ${path || '/'}`);
      path = found.path;
    }
    return path;
  };
  return {
    list: async ({ volume, steps }, tell) => {
      const path = await findIn(volume, steps);
      const nodes = await nodesIn(volume, path || '/');
      const itself = nodes.find((node) => node.path === path);
      const shown =
        itself === undefined || itself.type === 'dir'
          ? nodes.filter((node) => isChild(node, path))
          : [itself];
      tell(shown.map(entryOf).toSorted((a, b) => (a.name < b.name ? -1 : 1)));
    },
    check: async ({ volume, paths }) => {
      for (const steps of paths) await findIn(volume, steps);
    },
    copy: async ({ volume, paths }, place) => {
      const wanted: string[] = [];
      for (const steps of paths) wanted.push(await findIn(volume, steps));
      const what = `restore files of ${volume.name ?? volume.id} from the repository "${repository.place}"`;
      const includes = wanted.includes('') ? [] : wanted.map((path) => `--include=${escaped(path)}`);
      const complaints: string[] = [];
      const { exit, lastLines } = await endOfRestic(
        repository,
        {
          args: ['restore', '--no-lock', snapshotOf(volume, directory), `--target=${place}`, ...includes],
          what,
          onComplaint: (line) => complaints.push(line),
        },
        never,
      );
      if (exit === 0) return { failures: [], notKept: [] };
      const failures = complaints.filter((line) => line.startsWith('ignoring error for '));
      // It goes on behind what it cannot write, and says so of each.
      if (failures.length > 0) return { failures, notKept: [] };
      throw resticFailed(repository, what, exit, lastLines);
    },
  };
}

function snapshotOf({ id, snapshot }: FileVolume, directory: string): string {
  if (snapshot === undefined) throw damaged(directory, `its manifest names no snapshot of volume ${id}`);
  return snapshot;
}

/** A pattern that stands for nothing but the path. */
function escaped(path: string): string {
  return path.replace(/[[\]\\*?]/g, '\\$&');
}

/** restic lists a directory itself, what it lies in, and what is in it. */
function isChild({ path, name }: Node, directory: string): boolean {
  return isAbsolute(path) && path === `${directory}/${name}`;
}

const TYPES: Readonly<Record<string, FileEntry['type']>> = {
  ...{ file: 'file', dir: 'directory', symlink: 'link' },
  ...{ dev: 'device', chardev: 'device', fifo: 'pipe', socket: 'socket' },
};

function entryOf({ name, type, mode, uid, gid, size, mtime, linktarget }: Node): FileEntry {
  return {
    name,
    type: TYPES[type] ?? 'file',
    ...{ sizeBytes: size, modified: new Date(mtime).toISOString(), mode: octal(mode), uid, gid },
    ...(linktarget === undefined ? {} : { target: linktarget }),
  };
}

/** Of Go's file modes, which have the permissions below, and set-uid, set-gid and sticky bits elsewhere. */
function octal(mode: number): string {
  const has = (bit: number): number => Math.floor(mode / 2 ** bit) % 2;
  const bits = has(23) * 0o4000 + has(22) * 0o2000 + has(20) * 0o1000 + (mode & 0o777);
  return bits.toString(8).padStart(4, '0');
}

import type { FileManifest, FileVolume } from '../../domain/fileManifest.js';
import type { ChainLink } from '../../destinations/chain.js';
import { fileSystemOf } from '../../volumes/fileSystems.js';
import type { FileEntry } from '../../volumes/listFiles.js';
import { readMembers, type Member } from './archiveMembers.js';
import { copyFromTar } from './copyFromTar.js';
import type { FilePath, FileReader } from './fileReader.js';
import { notFound } from './notFound.js';
import { tarLayers, type TarLayer } from './tarChain.js';
import { bytesOf, kindIn, pathBelow, splitPath, textOf, type TreeState } from './treeState.js';

/** Reads a chain of restore points made by tar, the full one first. */
export function tarReader(links: readonly ChainLink[], manifest: FileManifest): FileReader {
  const opened = new Map<string, Promise<readonly TarLayer[]>>();
  const layersOf = (volume: FileVolume): Promise<readonly TarLayer[]> => {
    const layers = opened.get(volume.id) ?? tarLayers(links, volume);
    opened.set(volume.id, layers);
    return layers;
  };
  const found = async (volume: FileVolume, steps: readonly string[]): Promise<string> =>
    findIn((await layersOf(volume)).at(-1)?.state ?? new Map(), volume, steps);
  const mountPoints = new Set(manifest.volumes.flatMap(({ name }) => name ?? []));
  return {
    list: async ({ volume, steps }, tell) => {
      tell(await entriesOf(await layersOf(volume), await found(volume, steps), volume, mountPoints));
    },
    check: async ({ volume, paths }) => {
      for (const steps of paths) await found(volume, steps);
    },
    copy: async ({ volume, paths }, place, keepsOwners) => {
      const wanted: string[] = [];
      for (const steps of paths) wanted.push(await found(volume, steps));
      return copyFromTar(await layersOf(volume), wanted, place, keepsOwners, {
        volume,
        exclude: manifest.exclude,
        mountPoints,
      });
    },
  };
}

/** A path as the guest spells it, in bytes. @throws EverthawError FileNotFound */
function findIn(state: TreeState, volume: FileVolume, steps: FilePath['steps']): string {
  const ignoresCase = fileSystemOf(volume.fileSystem ?? '')?.ignoresCase ?? false;
  let path = '';
  for (const step of steps) {
    const names = state.get(path);
    const bytes = bytesOf(step);
    const name =
      names?.has(bytes) !== false || !ignoresCase
        ? bytes
        : [...names.keys()].find((each) => textOf(each).toLowerCase() === step.toLowerCase());
    if (names === undefined || name === undefined || !names.has(name))
      throw notFound(steps, `there is no ${step} in /${textOf(path)}`);
    path = pathBelow(path, name);
  }
  return path;
}

async function entriesOf(
  layers: readonly TarLayer[],
  path: string,
  volume: FileVolume,
  mountPoints: ReadonlySet<string>,
): Promise<readonly FileEntry[]> {
  const state = layers.at(-1)?.state ?? new Map<string, never>();
  const isDirectory = kindIn(state, path) === 'directory';
  const names = isDirectory ? [...(state.get(path)?.keys() ?? [])] : [splitPath(path)?.name ?? ''];
  const directory = isDirectory ? path : (splitPath(path)?.directory ?? '');
  const missing = new Set(names.map((name) => pathBelow(directory, name)));
  const members = new Map<string, Member>();
  for (const { archive } of layers.toReversed()) {
    if (missing.size === 0) break;
    const here = new Map<string, Member>();
    await readMembers(archive, (member) => {
      if (missing.has(member.path)) here.set(member.path, member);
    });
    for (const [each, member] of here) {
      members.set(each, member);
      missing.delete(each);
    }
  }
  return names
    .toSorted((a, b) => (a < b ? -1 : 1))
    .flatMap((name): readonly FileEntry[] => {
      const member = members.get(pathBelow(directory, name));
      if (member !== undefined) return [entryOf(name, member)];
      const at = `${volume.name === '/' ? '' : (volume.name ?? '')}/${textOf(pathBelow(directory, name))}`;
      // What was excluded stands in the listing too, and in no archive.
      return state.get(directory)?.get(name) === true || mountPoints.has(at)
        ? [{ ...namedOf(name), type: 'directory' }]
        : [];
    });
}

function namedOf(bytes: string): Pick<FileEntry, 'name' | 'nameBase64'> {
  const name = textOf(bytes);
  return bytesOf(name) === bytes
    ? { name }
    : { name, nameBase64: Buffer.from(bytes, 'latin1').toString('base64') };
}

const TYPES: Readonly<Record<string, FileEntry['type']>> = {
  ...{ '-': 'file', h: 'file', C: 'file', S: 'file', d: 'directory', l: 'link' },
  ...{ b: 'device', c: 'device', p: 'pipe' },
};

/** @param name in bytes */
export function entryOf(name: string, member: Member): FileEntry {
  const { type, mode, uid, gid, sizeBytes, modified, target } = member;
  return {
    ...namedOf(name),
    type: TYPES[type] ?? 'file',
    ...{ sizeBytes, modified, mode: mode.toString(8).padStart(4, '0'), uid, gid },
    ...(type === 'l' && target !== undefined ? { target: textOf(target) } : {}),
  };
}

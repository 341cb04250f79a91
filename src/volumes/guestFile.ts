import { constants, type Stats } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import { EverthawError } from '../domain/errors.js';

/** The files of a volume, where it is mounted. */
export interface GuestRoot {
  readonly directory: string;
  readonly ignoresCase: boolean;
}

export interface GuestFile {
  /** Below the volume's root, as the guest spells it. */
  readonly steps: readonly string[];
  readonly path: string;
  readonly stats: Stats;
}

/**
 * Goes down from a volume's root name by name. No link of the guest's is followed: it would lead out of the volume.
 *
 * @throws EverthawError FileNotFound
 */
export async function findGuestFile(root: GuestRoot, names: readonly string[]): Promise<GuestFile> {
  let at: GuestFile = { steps: [], path: root.directory, stats: await lstat(root.directory) };
  for (const name of names) {
    if (at.stats.isSymbolicLink())
      throw notFound(names, `/${at.steps.join('/')} is a link: ask for what it leads to`);
    if (!at.stats.isDirectory()) throw notFound(names, `/${at.steps.join('/')} is no directory`);
    const found = await findEntry(at.path, name, root.ignoresCase);
    if (found === undefined) throw notFound(names, `there is no ${name} in /${at.steps.join('/')}`);
    at = { steps: [...at.steps, found.name], path: `${at.path}/${found.name}`, stats: found.stats };
  }
  return at;
}

async function findEntry(
  directory: string,
  name: string,
  ignoresCase: boolean,
): Promise<{ readonly name: string; readonly stats: Stats } | undefined> {
  const exact = await statsOf(`${directory}/${name}`);
  if (exact !== undefined || !ignoresCase) return exact && { name, stats: exact };
  const wanted = name.toLowerCase();
  const like = (await readdir(directory)).filter((each) => each.toLowerCase() === wanted);
  const [only] = like;
  if (like.length !== 1 || only === undefined) return undefined;
  const stats = await statsOf(`${directory}/${only}`);
  return stats && { name: only, stats };
}

async function statsOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENAMETOOLONG') return undefined;
    throw error;
  }
}

/** A small file's bytes; undefined where it is not there, is no file, or is too large to be what is looked for. */
export async function readGuestFile(
  root: GuestRoot,
  names: readonly string[],
  largestBytes: number,
): Promise<Buffer | undefined> {
  try {
    const { path, stats } = await findGuestFile(root, names);
    if (!stats.isFile() || stats.size > largestBytes) return undefined;
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof EverthawError) return undefined;
    throw error;
  }
}

function notFound(names: readonly string[], why: string): EverthawError {
  return new EverthawError({
    code: 'FileNotFound',
    what: `look for /${names.join('/')} in the backup`,
    why,
    hint: 'look what is there: everthaw files ls <backup> [path]',
  });
}

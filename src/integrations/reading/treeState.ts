import type { Listing } from '../listingFile.js';

/** What stood in a volume when a restore point was made: of each directory the names in it, and whether each is a directory. */
export type TreeState = ReadonlyMap<string, ReadonlyMap<string, boolean>>;

/*
 * Paths and names are bytes here, each a character from U+0000 to U+00FF, for a guest's need not be UTF-8. A path has no slash at its ends; the root is
 * the empty one.
 */

export function bytesOf(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

export function textOf(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

export function pathBelow(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
}

/** The directory that a path lies in, and its name there; undefined of the root. */
export function splitPath(path: string): { readonly directory: string; readonly name: string } | undefined {
  if (path === '') return undefined;
  const at = path.lastIndexOf('/');
  return { directory: path.slice(0, Math.max(0, at)), name: path.slice(at + 1) };
}

/** As tar names it, without the dot before it. */
export function pathIn(tarName: string): string {
  return tarName.replace(/^\.(?:\/|$)/, '').replace(/\/+$/, '');
}

/** @param paths that alone were backed up, if not all were: a listing has no line of single files and of directories above */
export function treeStateOf({ directories }: Listing, paths: readonly string[]): TreeState {
  const state = new Map<string, Map<string, boolean>>();
  for (const { name, entries } of directories)
    state.set(pathIn(name), new Map(entries.map((entry) => [entry.name, entry.isDirectory])));
  for (const path of paths.map(bytesOf)) {
    let isDirectory = state.has(path);
    for (let step = splitPath(path); step !== undefined; step = splitPath(step.directory)) {
      const names = state.get(step.directory) ?? new Map<string, boolean>();
      state.set(step.directory, names.set(step.name, isDirectory));
      isDirectory = true;
    }
  }
  return state;
}

export function kindIn(state: TreeState, path: string): 'directory' | 'file' | undefined {
  const step = splitPath(path);
  if (step === undefined) return state.has('') ? 'directory' : undefined;
  const isDirectory = state.get(step.directory)?.get(step.name);
  return isDirectory === undefined ? undefined : isDirectory ? 'directory' : 'file';
}

export function isWithin(path: string, top: string): boolean {
  return top === '' || path === top || path.startsWith(`${top}/`);
}

import { posix } from 'node:path';
import { EverthawError } from '../domain/errors.js';
import { MANIFEST_FILE } from '../domain/manifest.js';
import { OWNER_FILE } from './directory.js';
import type { Entry } from './fileFault.js';
import type { Reach } from './listRestorePoints.js';
import { PROTECTED_FILE } from './protection.js';
import { LARGEST_MANIFEST_BYTES } from './restorePoint.js';
import type { Scripts } from './scripts.js';

/** All that lies below a directory, by paths from there; the directory itself is the empty one. */
export interface Tree {
  /** What lies in a directory, by its name. */
  entriesOf(directory: string): ReadonlyMap<string, Entry>;
  /** Of a file that says what a directory is: a manifest, an owner file, a mark of protection. */
  textOf(file: string): string | undefined;
}

/** Looks at a directory where scripts lead to; no link is followed. @throws EverthawError */
export async function readTree(scripts: Scripts, what: string, path: string, reach: Reach): Promise<Tree> {
  const args = [path, ...(reach === 'one file system' ? ['-xdev'] : [])];
  const said = await scripts.runLong(what, LIST, args);
  const [entries = '', told = '', end] = said.split('\n');
  if (end !== END)
    throw new EverthawError({
      code: 'WrongUsage',
      what,
      why: 'there are more files than can be listed at once',
      hint: 'list directories below it one by one',
    });
  const directories = directoriesIn(entries);
  const texts = textsIn(told);
  return {
    entriesOf: (directory) => directories.get(directory) ?? new Map<string, Entry>(),
    textOf: (file) => texts.get(file),
  };
}

/** What lies in each directory, by its path below the root. Of `<type> <bytes> <path>`, each ended by a NUL. */
function directoriesIn(base64: string): ReadonlyMap<string, ReadonlyMap<string, Entry>> {
  const directories = new Map<string, Map<string, Entry>>();
  for (const record of namesIn(base64)) {
    const [, type = '', size = '', path = ''] = /^(\S) (\d+) (.*)$/s.exec(record) ?? [];
    const { dir, base } = posix.parse(path);
    const found = directories.get(dir) ?? new Map<string, Entry>();
    directories.set(dir, found.set(base, entryOf(type, size)));
  }
  return directories;
}

/** Texts of files. Of names and texts in turn, each ended by a NUL; one with a NUL comes in parts. */
function textsIn(base64: string): ReadonlyMap<string, string> {
  const parts = decoded(base64).split('\0');
  const texts = new Map<string, string>();
  for (let at = 0; at + 1 < parts.length; at += 2) {
    const file = (parts[at] ?? '').replace(/^\.\//, '');
    const before = texts.get(file);
    texts.set(file, before === undefined ? (parts[at + 1] ?? '') : `${before}\0${parts[at + 1] ?? ''}`);
  }
  return texts;
}

function decoded(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}

/** Names that a script told, each ended by a NUL. */
export function namesIn(base64: string): readonly string[] {
  return decoded(base64)
    .split('\0')
    .filter((name) => name !== '');
}

const KINDS: Readonly<Record<string, Exclude<Entry['kind'], 'file'>>> = {
  d: 'directory',
  l: 'link',
  '-': 'missing',
};

/** By the letter of find's `%y`. */
export function entryOf(type: string, size: string | undefined): Entry {
  if (type === 'f') return { kind: 'file', sizeBytes: Number(size) };
  return { kind: KINDS[type] ?? 'other' };
}

/** What the list ends with that came whole. */
const END = 'end';

/** With options of find behind the directory. All entries, then all files that say what a directory is: one line of base64 each. */
const LIST = `
cd -- "$1"
shift
find . -mindepth 1 "$@" -printf '%y %s %P\\0' | base64 -w 0
echo
find . "$@" -type f \\( -name ${MANIFEST_FILE} -o -name ${OWNER_FILE} -o -name ${PROTECTED_FILE} \\) -size -${LARGEST_MANIFEST_BYTES / 1024}k -print0 |
  xargs -0 -r grep -a -z -Z -H '' | base64 -w 0
echo
echo ${END}`;

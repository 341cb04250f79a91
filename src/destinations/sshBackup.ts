import { posix } from 'node:path';
import { EverthawError } from '../domain/errors.js';
import { MANIFEST_FILE, type Manifest, type ManifestFile } from '../domain/manifest.js';
import { parseScpUrl, scpUrlBelow } from '../domain/scpUrl.js';
import type { SshShell } from '../system/sshShell.js';
import { entryFaultOf, hashFaultOf, type Entry } from './fileFault.js';
import { isPartialName, listedPoint, type ListedPoint } from './listedPoint.js';
import { damaged, LARGEST_MANIFEST_BYTES, parseManifest } from './restorePoint.js';
import { SshScripts } from './sshScripts.js';
import type { FarBackup } from './storedBackup.js';

/** A restore point on another machine. Nothing of its size is read here: it is hashed there. */
export function sshBackup(directory: string, shell: SshShell): FarBackup {
  const { path } = parseScpUrl(directory);
  const scripts = new SshScripts(shell);
  return {
    directory,
    names: async () => namesIn(await scripts.run(`list "${directory}"`, NAMES, [path])),
    manifest: async () => {
      const text = await scripts.run(`read the backup in "${directory}"`, READ, [
        ...[path, MANIFEST_FILE, String(LARGEST_MANIFEST_BYTES + 1)],
      ]);
      if (text === '') throw damaged(directory, 'its manifest cannot be read (no such file)');
      return parseManifest(text, directory);
    },
    readText: (name, largestBytes) =>
      scripts.run(`read ${name} in "${directory}"`, READ, [path, name, String(largestBytes)]),
    fileFault: async (file, onProgress, signal) => {
      const args = [path, file.path, String(file.sizeBytes)];
      const said = await scripts.runLong(`hash ${file.path} in "${directory}"`, HASH, args, signal);
      const [kind = '', size, sha256] = said.trim().split(' ');
      const fault = entryFaultOf(entryOf(kind, size), file);
      if (fault !== undefined) return fault;
      onProgress(file.sizeBytes);
      return hashFaultOf(sha256 ?? '', file);
    },
    program: (name) => scripts.alone(CAT, [path, name], `read ${name}`),
  };
}

/** All that is or was to be a restore point below a directory of another machine; no link is followed. */
export async function listSshBackups(root: string, shell: SshShell): Promise<readonly ListedPoint[]> {
  const { path } = parseScpUrl(root);
  const what = `list the backups below "${root}"`;
  const said = await new SshScripts(shell).runLong(what, LIST, [path]);
  const [entries = '', texts = '', end] = said.split('\n');
  if (end !== END)
    throw new EverthawError({
      code: 'WrongUsage',
      what,
      why: 'there are more files than can be listed at once',
      hint: 'list directories below it one by one',
    });
  const directories = directoriesIn(entries);
  const manifests = manifestsIn(texts);
  const points: ListedPoint[] = [];
  let level: readonly string[] = [''];
  while (level.length > 0) {
    const below: string[] = [];
    for (const directory of level) {
      const found = directories.get(directory) ?? new Map<string, Entry>();
      const url = directory === '' ? root : scpUrlBelow(root, directory);
      const manifest = found.get(MANIFEST_FILE);
      if (manifest !== undefined) {
        const text = manifests.get(directory) ?? '';
        const read = (): Manifest => {
          if (manifest.kind !== 'file') throw damaged(url, 'its manifest is no file');
          return parseManifest(text, url);
        };
        const faultOf = (file: ManifestFile) =>
          entryFaultOf(found.get(file.path) ?? { kind: 'missing' }, file);
        points.push(await listedPoint(url, read, faultOf));
      } else if (isPartialName(url))
        points.push({ state: 'partial', directory: url, why: 'it is not finished' });
      else
        for (const [name, { kind }] of found)
          if (kind === 'directory') below.push(directory === '' ? name : `${directory}/${name}`);
    }
    level = below;
  }
  return points;
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

/** Texts of manifests by their directory. Of names and texts in turn, each ended by a NUL; one with a NUL comes in parts. */
function manifestsIn(base64: string): ReadonlyMap<string, string> {
  const parts = decoded(base64).split('\0');
  const texts = new Map<string, string>();
  for (let at = 0; at + 1 < parts.length; at += 2) {
    const directory = posix.dirname(parts[at] ?? '').replace(/^\.\/?/, '');
    const before = texts.get(directory);
    texts.set(directory, before === undefined ? (parts[at + 1] ?? '') : `${before}\0${parts[at + 1] ?? ''}`);
  }
  return texts;
}

function decoded(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}

function namesIn(base64: string): readonly string[] {
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
function entryOf(type: string, size: string | undefined): Entry {
  if (type === 'f') return { kind: 'file', sizeBytes: Number(size) };
  return { kind: KINDS[type] ?? 'other' };
}

/*
 * The scripts. "$1" and so on are quoted by who runs them, and never part of a script's text.
 */

const NAMES = `cd -- "$1"; find . -mindepth 1 -maxdepth 1 -printf '%f\\0' | base64 -w 0`;

/** Nothing where there is no file of that name. */
const READ = `[ ! -f "$1/$2" ] || [ -L "$1/$2" ] || exec head -c "$3" -- "$1/$2"`;

/** A pipe would never end, and a link leads elsewhere. */
const CAT = `[ -f "$1/$2" ] && [ ! -L "$1/$2" ] || { echo "$2 is no file" >&2; exit 1; }; exec cat -- "$1/$2"`;

/** Its letter, and of a file its size, and of one of the right size its hash. */
const HASH = `
file="$1/$2"
if [ -L "$file" ]; then echo l
elif [ ! -e "$file" ]; then echo -
elif [ ! -f "$file" ]; then echo o
else
  size=$(stat -c %s -- "$file")
  [ "$size" = "$3" ] || { echo "f $size"; exit; }
  hash=$(sha256sum < "$file")
  echo "f $size \${hash%% *}"
fi`;

/** What the list ends with that came whole. */
const END = 'end';

/** All entries, then all manifests: one line of base64 each. */
const LIST = `
cd -- "$1"
find . -mindepth 1 -printf '%y %s %P\\0' | base64 -w 0
echo
find . -type f -name ${MANIFEST_FILE} -size -${LARGEST_MANIFEST_BYTES / 1024}k -print0 | xargs -0 -r grep -a -z -Z -H '' | base64 -w 0
echo
echo ${END}`;

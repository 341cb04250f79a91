import { MANIFEST_FILE } from '../domain/manifest.js';
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
  const points: ListedPoint[] = [];
  for (const line of said.split('\n').filter((each) => each !== '')) {
    const [below = '', entries = '', manifest] = line.split(' ').map(decoded);
    const directory = below === '' ? root : scpUrlBelow(root, below);
    const found = entriesOf(entries);
    if (manifest !== undefined && manifest !== '')
      points.push(
        await listedPoint(
          directory,
          () => parseManifest(manifest, directory),
          (file) => entryFaultOf(found.get(file.path) ?? { kind: 'missing' }, file),
        ),
      );
    else if (found.has(MANIFEST_FILE))
      points.push({ state: 'damaged', directory, why: 'its manifest cannot be read' });
    else if (isPartialName(directory))
      points.push({ state: 'partial', directory, why: 'it is not finished' });
  }
  return points;
}

function decoded(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}

function namesIn(base64: string): readonly string[] {
  return decoded(base64)
    .split('\0')
    .filter((name) => name !== '');
}

/** Of `<type> <bytes> <name>`, each ended by a NUL. */
function entriesOf(text: string): ReadonlyMap<string, Entry> {
  const entries = text.split('\0').flatMap((entry) => {
    const [, type = '', size = '', name = ''] = /^(\S) (\d+) (.*)$/s.exec(entry) ?? [];
    return name === '' ? [] : [[name, entryOf(type, size)] as const];
  });
  return new Map(entries);
}

/** By the letter of find's `%y`. */
function entryOf(type: string, size: string | undefined): Entry {
  if (type === 'f') return { kind: 'file', sizeBytes: Number(size) };
  return { kind: type === 'l' ? 'link' : type === '-' ? 'missing' : 'other' };
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

/** One line for each directory that holds a manifest or is not finished: its path, its entries, its manifest, each as base64. */
const LIST = `
cd -- "$1"
find . -type d \\( -exec test -e '{}/${MANIFEST_FILE}' ';' -o -name '*.partial-*' \\) -prune -print0 |
  xargs -0 -r -n 1 sh -c '
    cd -- "$1" 2> /dev/null || exit 0
    below=\${1#.}
    printf %s "\${below#/}" | base64 -w 0
    printf " "
    find . -mindepth 1 -maxdepth 1 -printf "%y %s %f\\\\0" | base64 -w 0
    printf " "
    if [ -f ${MANIFEST_FILE} ] && [ ! -L ${MANIFEST_FILE} ]; then head -c ${LARGEST_MANIFEST_BYTES + 1} ${MANIFEST_FILE} | base64 -w 0; fi
    echo' everthaw`;

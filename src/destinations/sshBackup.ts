import type { AnyManifest } from '../domain/fileManifest.js';
import { MANIFEST_FILE, type ManifestFile } from '../domain/manifest.js';
import { parseScpUrl, scpUrlBelow, scpUrlBeside } from '../domain/scpUrl.js';
import type { SshShell } from '../system/sshShell.js';
import { OWNER_FILE } from './directory.js';
import { entryFaultOf, hashFaultOf } from './fileFault.js';
import {
  beingForgotten,
  isBeingForgotten,
  isPartialName,
  listedPoint,
  partialPoint,
  type ListedPoint,
} from './listedPoint.js';
import type { Reach } from './listRestorePoints.js';
import { damaged, LARGEST_MANIFEST_BYTES, parseManifest } from './restorePoint.js';
import { Scripts } from './scripts.js';
import { SshScripts } from './sshScripts.js';
import type { FarBackup } from './storedBackup.js';
import { entryOf, namesIn, readTree } from './tree.js';

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
    beside: (name) => sshBackup(scpUrlBeside(directory, name), shell),
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
export async function listSshBackups(
  root: string,
  shell: SshShell,
  reach: Reach,
): Promise<readonly ListedPoint[]> {
  const { path } = parseScpUrl(root);
  const what = `list the backups below "${root}"`;
  const tree = await readTree(new Scripts(shell), what, path, reach);
  const points: ListedPoint[] = [];
  let level: readonly string[] = [''];
  while (level.length > 0) {
    const deeper: string[] = [];
    for (const directory of level) {
      const found = tree.entriesOf(directory);
      const url = directory === '' ? root : scpUrlBelow(root, directory);
      const textOf = (name: string): string | undefined => tree.textOf(below(directory, name));
      const manifest = found.get(MANIFEST_FILE);
      if (isBeingForgotten(url, [...found.keys()])) points.push(beingForgotten(url));
      else if (manifest !== undefined) {
        const read = (): AnyManifest => {
          if (manifest.kind !== 'file') throw damaged(url, 'its manifest is no file');
          return parseManifest(textOf(MANIFEST_FILE) ?? '', url);
        };
        const faultOf = (file: ManifestFile) =>
          entryFaultOf(found.get(file.path) ?? { kind: 'missing' }, file);
        points.push(await listedPoint(url, read, faultOf, [...found.keys()], textOf));
      } else if (isPartialName(url)) points.push(partialPoint(url, textOf(OWNER_FILE) ?? ''));
      else
        for (const [name, { kind }] of found) if (kind === 'directory') deeper.push(below(directory, name));
    }
    level = deeper;
  }
  return points;
}

function below(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
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

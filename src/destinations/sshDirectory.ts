import { createHash, randomBytes } from 'node:crypto';
import { posix } from 'node:path';
import { EverthawError } from '../domain/errors.js';
import { MANIFEST_FILE } from '../domain/manifest.js';
import { partialName } from '../domain/names.js';
import { parseScpUrl } from '../domain/scpUrl.js';
import { copyToFile, type Copied } from '../disks/copier.js';
import type { ReadableFile } from '../disks/readableFile.js';
import { outputOf } from '../disks/smallFile.js';
import type { SshShell } from '../system/sshShell.js';
import type { Destination, PartialBackup } from './destination.js';
import { inUse, OWNER_FILE, parentMissing } from './directory.js';
import { LARGEST_MANIFEST_BYTES, parseManifest } from './restorePoint.js';
import { SshScripts } from './sshScripts.js';

/** What of a file is fetched at once to look into it. */
const LOOK_BYTES = 1024 * 1024;

/** A directory of another machine. Every step there is one script, so that what a connection cuts off is done whole or not at all. */
export function sshDirectory(directory: string, shell: SshShell): Destination {
  const { path } = parseScpUrl(directory);
  const scripts = new SshScripts(shell);
  const parent = posix.dirname(path);
  return {
    directory,
    check: async () => {
      const answer = await scripts.run(`back up to "${directory}"`, CHECK, [path, parent]);
      refuse(directory, parent, answer.trimEnd());
    },
    freeBytes: async () => {
      const answer = await scripts.run(`ask for the room of "${directory}"`, FREE, [parent]);
      const [blocks = 0, blockBytes = 0] = answer.trim().split(' ').map(Number);
      return blocks * blockBytes;
    },
    restorePoint: async () => {
      const text = await scripts.run(`look at "${directory}"`, READ_MANIFEST, [path]);
      return text === '' ? undefined : parseManifest(text, directory);
    },
    disown: async () => {
      await scripts.run(`take the owner out of "${directory}"`, 'rm -f -- "$1"', [`${path}/${OWNER_FILE}`]);
    },
    partialOf: (runId) =>
      sshPartial(
        { name: partialName(directory, runId), partial: partialName(path, runId), path },
        directory,
        scripts,
      ),
  };
}

interface Names {
  /** For people. */
  readonly name: string;
  /** The directories there, while it is built and afterwards. */
  readonly partial: string;
  readonly path: string;
}

function sshPartial({ name, partial, path }: Names, directory: string, scripts: SshScripts): PartialBackup {
  const seal = async (file: string, attempt: string, copied: Copied, signal?: AbortSignal): Promise<void> => {
    const args = [partial, file, attempt, copied.sha256];
    await scripts.runLong(`verify ${file} in "${name}"`, SEAL, args, signal);
  };
  const discard = async (file: string): Promise<void> => {
    await scripts.run(`begin ${file} in "${name}"`, DISCARD, [partial, file]);
  };
  const put = async (file: string, bytes: Buffer): Promise<Copied> => {
    const attempt = attemptName();
    const copied = { sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
    await scripts.run(`write ${file} in "${name}"`, PUT, [partial, file, attempt], bytes);
    await seal(file, attempt, copied);
    return copied;
  };
  const copy: PartialBackup['copy'] = async (file, source, onProgress, signal, copier) => {
    const attempt = attemptName();
    await discard(file);
    const into = scripts.alone(TAKE, [partial, file, attempt], file);
    const order = { ...source, sparse: false, file: `${name}/${file}`, into };
    const copied = await copyToFile(order, onProgress, signal, copier);
    await seal(file, attempt, copied, signal);
    return copied;
  };
  return {
    name,
    isHere: false,
    exists: async () => (await scripts.run(`look for "${name}"`, EXISTS, [partial])).startsWith('there'),
    owner: () => scripts.run(`read whose "${name}" is`, READ_OWNER, [partial]),
    make: async (owner) => {
      await scripts.run(`make "${name}"`, MAKE, [partial], Buffer.from(owner));
    },
    discard,
    copy,
    keep: async (file, source, signal) => {
      const bytes = await outputOf(source, signal);
      if (bytes !== undefined) return put(file, bytes);
      return copy(file, { source, offsetBytes: 0, sparse: false }, () => undefined, signal);
    },
    write: (file, text) => put(file, Buffer.from(text)),
    lookInto: async (file, look) => {
      const size = await scripts.run(`look into ${file} in "${name}"`, SIZE, [partial, file]);
      const fetch = async (at: number): Promise<Buffer> => {
        const args = [partial, file, String(at), String(LOOK_BYTES)];
        return Buffer.from(await scripts.run(`look into ${file} in "${name}"`, FETCH, args), 'base64');
      };
      return look(readableBy(Number(size), fetch));
    },
    commit: async () => {
      const answer = await scripts.runLong(`make "${directory}" of its parts`, COMMIT, [partial, path]);
      if (answer.startsWith('in use'))
        throw inUse(directory, 'somebody put something there while the backup ran');
    },
    remove: async () => {
      await scripts.runLong(`remove "${name}"`, REMOVE, [partial]);
    },
  };
}

/** Of this attempt alone: what still writes for an earlier one has no way into it. */
function attemptName(): string {
  return randomBytes(8).toString('hex');
}

/** Reads by large pieces, of which one is kept: who looks into a file looks at places beside each other. */
function readableBy(sizeBytes: number, fetch: (at: number) => Promise<Buffer>): ReadableFile {
  let kept: { readonly at: number; readonly bytes: Buffer } = { at: -1, bytes: Buffer.alloc(0) };
  const read = async (position: number, lengthBytes: number): Promise<Buffer> => {
    const result = Buffer.alloc(lengthBytes);
    for (let done = 0; done < lengthBytes;) {
      const from = position + done;
      const at = from - (from % LOOK_BYTES);
      if (at >= sizeBytes) break;
      if (kept.at !== at) kept = { at, bytes: await fetch(at) };
      const copied = kept.bytes.copy(result, done, from - at);
      if (copied === 0) break;
      done += copied;
    }
    return result;
  };
  return { sizeBytes, read };
}

function refuse(directory: string, parent: string, answer: string): void {
  const [word = '', ...rest] = answer.split(' ');
  const said = rest.join(' ');
  const what = `back up to "${directory}"`;
  switch (word) {
    case 'free':
      return;
    case 'missing':
      throw parentMissing(directory, parent, said);
    case 'unwritable':
      throw new EverthawError({
        code: 'NotPermitted',
        what,
        why: `its parent "${parent}" cannot be written to by the user that ssh logs in as`,
        hint: 'give that user the right to write there, or name another directory',
      });
    case 'holds':
      throw inUse(directory, `it exists and holds ${said}`);
    case 'lacks':
      throw new EverthawError({
        code: 'ProgramMissing',
        what,
        why: `the machine there has no ${said} as this needs it`,
        hint: 'install the GNU coreutils there',
      });
    default:
      throw new EverthawError({
        code: 'ProgramFailed',
        what,
        why: `the machine there answers "${answer.slice(0, 80)}"`,
        hint: 'see that the user’s shell prints nothing of its own when ssh runs a command',
      });
  }
}

/*
 * The scripts. "$1" and so on are quoted by who runs them, and never part of a script's text.
 */

const CHECK = `
for program in dd sha256sum mv sync stat base64; do
  command -v $program > /dev/null || { echo lacks $program; exit; }
done
dd if=/dev/null iflag=fullblock conv=sparse status=none 2> /dev/null || { echo lacks dd; exit; }
[ -e "$2" ] || { echo missing does not exist; exit; }
[ -d "$2" ] || { echo missing is no directory; exit; }
[ -w "$2" ] && [ -x "$2" ] || { echo unwritable; exit; }
if [ -L "$1" ] || { [ -e "$1" ] && [ ! -d "$1" ]; }; then echo holds a file of that name
elif [ ! -e "$1" ]; then echo free
elif [ -e "$1/${MANIFEST_FILE}" ]; then echo holds a backup
elif there=$(ls -A -- "$1") && [ -z "$there" ]; then echo free
else echo holds $(printf %s "$there" | head -n 3 | tr '\\n' ' ')
fi`;

const FREE = `exec stat -f -c '%a %S' -- "$1"`;

const READ_MANIFEST = `[ ! -e "$1/${MANIFEST_FILE}" ] || exec head -c ${LARGEST_MANIFEST_BYTES + 1} -- "$1/${MANIFEST_FILE}"`;

/** One that is being removed is there until all of it is gone. */
const EXISTS = `if [ -e "$1" ] || [ -L "$1" ] || [ -e "$1.gone" ]; then echo there; else echo gone; fi`;

const READ_OWNER = `[ ! -e "$1/${OWNER_FILE}" ] || exec cat -- "$1/${OWNER_FILE}"`;

/** Steps of two disks may do so at once. */
const MAKE = `
mkdir -m 700 -- "$1" 2> /dev/null || [ -d "$1" ] || exec mkdir -- "$1"
cat > "$1/${OWNER_FILE}.attempt-$$"
mv -f -T -- "$1/${OWNER_FILE}.attempt-$$" "$1/${OWNER_FILE}"`;

const DISCARD = `rm -f -- "$1/$2" "$1/$2".attempt-*`;

/** Runs of zeros are left as holes; all is on the disk when it ends. */
const TAKE = `echo ready; exec dd of="$1/$2.attempt-$3" bs=64k iflag=fullblock conv=sparse,fsync status=none`;

const PUT = `cat > "$1/$2.attempt-$3"`;

const SEAL = `
there=$(sha256sum < "$1/$2.attempt-$3")
[ "\${there%% *}" = "$4" ] || { echo "its SHA-256 there is \${there%% *}, and $4 was sent" >&2; exit 1; }
mv -f -T -- "$1/$2.attempt-$3" "$1/$2"`;

const SIZE = `exec stat -c %s -- "$1/$2"`;

const FETCH = `dd if="$1/$2" bs=1M iflag=fullblock,skip_bytes,count_bytes skip="$3" count="$4" status=none | base64 -w 0`;

/** An empty directory is replaced, as by rename(2); mv never copies here, for both names are in one directory. */
const COMMIT = `
rm -f -- "$1"/*.attempt-* "$1"/.*.attempt-*
sync -- "$1"/* "$1"
mv -T -- "$1" "$2" || { [ -e "$2" ] || exit 1; echo in use; exit; }
sync -- "$(dirname -- "$2")"`;

/** By another name first: from then on no commit that a cut connection left behind can find it. */
const REMOVE = `
[ ! -e "$1" ] || mv -T -- "$1" "$1.gone"
rm -rf -- "$1.gone"`;

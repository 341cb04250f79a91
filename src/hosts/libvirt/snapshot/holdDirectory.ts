import { EverthawError, isErrorWithCode } from '../../../domain/errors.js';
import { HOLD_RECORDS, type Hold, type HoldRecords, type RecordName } from './holdRecords.js';
import type { Virsh } from '../connection/virsh.js';

/*
 * A hold directory is where everything lies that a run holds of a VM on the hypervisor's machine: what it writes meanwhile
 * (scratch files, overlays), its sockets, and a record of each thing that is about to be done to the VM, written and synced
 * before it is done. Whoever comes later, with no other memory, finds what is owed by looking there. It is made first and
 * removed last.
 *
 * QEMU may run as another user: it may pass through the directory (mode 0711), and libvirt gives it the files that it is to
 * write. What somebody else owns is never believed to be ours: others may write to the same place. Nor is a copy, which came with the
 * disks that it lay beside: `where` says where it was made.
 *
 * Wherever it is, a link in the home directory of our user on the host leads there, for those who come with other settings, or when
 * the VM is not defined any more. It is a help only: without it one looks where disks of VMs are.
 */

const NAME = /\/\.everthaw-[0-9a-f]{8}-[\w.-]+$/;

/** What the name of every hold of a VM begins with; short, for there are sockets below, whose paths may not be long. */
export function holdPrefix(vmUuid: string): string {
  return `.everthaw-${vmUuid.slice(0, 8).toLowerCase()}-`;
}

export function holdPath(root: string, vmUuid: string, runId: string): string {
  const path = `${root.replace(/\/+$/, '')}/${holdPrefix(vmUuid)}${runId}`;
  if (isHoldPath(path)) return path;
  throw new EverthawError({
    code: 'WrongUsage',
    what: `hold VM ${vmUuid}`,
    why: `"${path}" cannot be the name of what run ${runId} holds`,
    hint: 'give --scratch-directory an absolute path without line ends',
  });
}

/** Whether a path is one of a hold directory, so that nobody is led to remove another. */
export function isHoldPath(path: string): boolean {
  return path.startsWith('/') && NAME.test(path) && !/[\n\t]|\/\.\.?\//.test(path);
}

/**
 * Writes records in that order, each as a whole, and makes the directory where there is none. They are on disk when this returns.
 * The owner's comes last: nothing is done before it is there, and a directory without it means nothing.
 */
export async function writeRecords(virsh: Virsh, path: string, records: HoldRecords): Promise<void> {
  const args = Object.entries(records).flatMap(([name, record]) => [name, JSON.stringify(record)]);
  try {
    await virsh.script(`note what is held in ${path}`, WRITE, [path, ...args]);
  } catch (error) {
    if (!isErrorWithCode(error, 'NotPermitted', 'HostFault')) throw error;
    throw unusable(error.what, error.why, error);
  }
}

/** The error of a place where nothing can be held. */
export function unusable(what: string, why: string, cause?: unknown): EverthawError {
  return new EverthawError({
    code: 'NotPermitted',
    what,
    why,
    hint: 'name with --scratch-directory a directory of the host that the user of Everthaw there may write to and QEMU may enter',
    cause,
  });
}

/** Removes records, and the directory where nothing is held any more. */
export async function removeRecords(virsh: Virsh, path: string, names: readonly RecordName[]): Promise<void> {
  await virsh.script(`let go of what is held in ${path}`, REMOVE, [path, ...names]);
}

/** Every hold directory below some places. */
export async function readHolds(virsh: Virsh, roots: readonly string[]): Promise<readonly Hold[]> {
  return readPrinted(await virsh.script('look for what is held on the host', READ, roots));
}

export async function readHold(virsh: Virsh, path: string): Promise<Hold | undefined> {
  if (!isHoldPath(path)) return undefined;
  return readPrinted(
    await virsh.script(`read what is held in ${path}`, `${READ_ONE}\nread_hold "$1"`, [path]),
  )[0];
}

function readPrinted(printed: string): readonly Hold[] {
  const holds: (HoldRecords & { path: string; unreadable: RecordName[] })[] = [];
  for (const line of printed.split('\n')) {
    const [kind = '', value = ''] = line.split('\t');
    if (kind === 'hold') holds.push({ path: value, unreadable: [] });
    const hold = holds.at(-1);
    if (hold === undefined || !isRecordName(kind)) continue;
    const record = parse(kind, value);
    if (record === undefined) hold.unreadable.push(kind);
    else Object.assign(hold, { [kind]: record });
  }
  return holds;
}

function parse(name: RecordName, base64: string): unknown {
  try {
    const text = Buffer.from(base64, 'base64').toString('utf8');
    return HOLD_RECORDS[name].safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function isRecordName(text: string): text is RecordName {
  return text in HOLD_RECORDS;
}

/** By inode too: a directory may be moved, or be found by a link. */
const WHERE = `
links=\${XDG_STATE_HOME:-\${HOME:-/dev/null}/.local/state}/everthaw/holds/$(printf %s "$uri" | tr -c '[:alnum:]' _)
place() { stat -c %i -- "$1" && realpath -- "$1"; }
is_copy() {
  [ -e "$1/where" ] || return 1
  here=$(place "$1")
  { read -r inode && read -r path; } < "$1/where"
  [ "$inode" != "\${here%%
*}" ] && [ "$path" != "\${here#*
}" ]
}
`;

/** A name, renamed when its bytes are on disk: nobody reads half a record. The owner's stays as it was first written. */
const WRITE = `${WHERE}
d=$1
shift
mkdir -m 711 "$d" 2> /dev/null || [ -d "$d" ] || mkdir -m 711 "$d" || exit 1
chmod 711 "$d" || exit 1
umask 077
new=$d/where.new.$$
[ -e "$d/where" ] || { place "$d" > "$new" && sync "$new" && mv -f "$new" "$d/where"; } || exit 1
{ mkdir -p "$links" && ln -sfn "$d" "$links/\${d##*/}"; } 2> /dev/null
while [ $# -gt 0 ]; do
  if [ "$1" != owner ] || [ ! -e "$d/owner.json" ]; then
    new=$d/$1.new.$$
    printf %s "$2" > "$new" && sync "$new" && mv -f "$new" "$d/$1.json" || exit 1
  fi
  shift 2
done
sync "$d" "\${d%/*}"
`;

const READ_ONE = `${WHERE}
read_hold() {
  [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ] && ! is_copy "$1" || return 0
  printf 'hold\\t%s\\n' "$1"
  for name in ${Object.keys(HOLD_RECORDS).join(' ')}; do
    [ -f "$1/$name.json" ] && printf '%s\\t%s\\n' "$name" "$(base64 -w0 < "$1/$name.json")"
  done
  return 0
}
`;

/** A directory that tells nothing is one that is being made or removed; after a minute nobody is doing that any more. */
const READ = `${READ_ONE}
for link in "$links"/.everthaw-*; do
  root=$(readlink -- "$link") || continue
  root=\${root%/*} known=
  for each; do [ "$each" != "$root" ] || known=yes; done
  [ -n "$known" ] || set -- "$@" "$root"
done
for root; do
  for hold in "$root"/.everthaw-*; do
    [ -d "$hold" ] && [ ! -L "$hold" ] && [ -O "$hold" ] || continue
    if [ -e "$hold/owner.json" ]; then
      if [ -e "$hold/plan.json" ] || [ -e "$hold/paused.json" ] || [ -e "$hold/freezing.json" ]; then
        read_hold "$hold"
        continue
      fi
    fi
    [ -z "$(find "$hold" -maxdepth 0 -mmin +1)" ] || {
      rm -f "$hold"/*.new.* "$hold"/*.json "$hold/backup.xml" "$hold/outcome" "$hold/lock" "$hold/where"
      rmdir "$hold" && rm -f "$links/\${hold##*/}"
    } 2> /dev/null
  done
done
exit 0
`;

const REMOVE = `${WHERE}
d=$1
shift
[ -d "$d" ] || exit 0
for name; do rm -f "$d/$name.json" || exit 1; done
for name in plan paused freezing; do [ ! -e "$d/$name.json" ] || exit 0; done
rm -f "$d"/*.new.* "$d/taken.json" "$d/backup.xml" "$d/outcome" "$d/lock" "$d/where" || exit 1
rm -f "$d/owner.json" && rmdir "$d" && rm -f "$links/\${d##*/}"
`;

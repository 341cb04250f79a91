import { basename, dirname, join } from 'node:path';
import { EverthawError } from '../../../domain/errors.js';
import { formatBytes } from '../../../domain/format.js';
import type { RestorePlace, RestoreWish } from '../../../domain/restores.js';
import { parseConfiguration } from '../xml/configuration.js';
import type { HostShell } from '../../../system/hostShell.js';
import { freeSpace } from '../inventory/storage.js';
import type { Virsh } from '../connection/virsh.js';

/** Where a VM is restored to, in libvirt's terms. */
export interface LibvirtPlace {
  /** Without links in its path. */
  readonly directory: string;
  /** Network for every card; '' leaves each where it was. */
  readonly network: string;
}

/** Lies in a directory that was made for the disks of one restored VM. */
export const RESTORED_FILE = 'everthaw-restored';

/** What is no place for files: what is written there is memory, or the kernel's. */
const NO_STORAGE = /^\/(dev|proc|sys)(\/|$)/;
const NO_STORAGE_KINDS: readonly string[] = ['devtmpfs', 'proc', 'ramfs', 'sysfs'];

/**
 * The directory and network that are wished for, or the directory that the first disk lay in, if they are there; and whether the
 * disks have room there.
 */
export async function findPlace(virsh: Virsh, wish: RestoreWish): Promise<RestorePlace> {
  const wished = wish.storage ?? directoryBefore(wish);
  const asIs = wish.storage !== undefined;
  const { exit, stdout, stderr } = await virsh.shell.run('sh', [
    '-c',
    FIND_DIRECTORY,
    ...['everthaw', wished, asIs ? '' : RESTORED_FILE, dirname(wished), looksRestored(wished) ? 'yes' : ''],
  ]);
  if (exit !== 0) {
    throw new EverthawError({
      code: 'RestorePlaceMissing',
      what: `find ${wished} on ${virsh.shell.where} to restore to`,
      why: stderr.trim(),
      hint: 'make it, and let this user write there, or name another directory with --storage',
    });
  }
  const directory = stdout.replace(/\n$/, '');
  await checkStorage(virsh.shell, directory, neededBytes(wish));
  const network = wish.network ?? '';
  if (network !== '') await findNetwork(virsh, network);
  return { storage: directory, ids: { directory, network } };
}

/** @throws EverthawError where no disk was a file: devices come back as files, and nobody has said where to */
function directoryBefore({ disks }: RestoreWish): string {
  const file = disks.find(({ originalPath }) => !NO_STORAGE.test(originalPath))?.originalPath;
  if (file !== undefined) return dirname(file);
  throw new EverthawError({
    code: 'RestorePlaceMissing',
    what: 'find a directory to restore to',
    why: `none of the VM's disks was a file (${disks.map(({ originalPath }) => originalPath).join(', ')}), and they come back as files`,
    hint: 'name a directory for them with --storage',
  });
}

/** Images of old in the directory that is restored to. */
export async function existingFiles(
  virsh: Virsh,
  place: RestorePlace,
  { disks }: RestoreWish,
): Promise<readonly string[]> {
  const { directory } = libvirtPlace(place);
  const found: string[] = [];
  for (const { originalPath } of disks) {
    if (NO_STORAGE.test(originalPath)) continue;
    const file = join(directory, basename(originalPath));
    if ((await virsh.shell.run('test', ['-e', file])).exit === 0) found.push(file);
  }
  return found;
}

async function checkStorage(shell: HostShell, directory: string, needed: number): Promise<void> {
  const space = (await freeSpace(shell, [directory])).get(directory);
  if (NO_STORAGE.test(directory) || NO_STORAGE_KINDS.includes(space?.kind ?? '')) {
    throw new EverthawError({
      code: 'RestorePlaceMissing',
      what: `restore to ${directory} on ${shell.where}`,
      why: 'it is no place for files: what is written there is gone with the next start of the machine',
      hint: 'name a directory on a disk with --storage',
    });
  }
  if (space === undefined || space.freeBytes >= needed) return;
  throw new EverthawError({
    code: 'HostStorageFull',
    what: `restore to ${directory} on ${shell.where}`,
    why: `it has ${formatBytes(space.freeBytes)} left, and the disks need ${formatBytes(needed)} while they are restored`,
    hint: 'free room there, or name another directory with --storage',
  });
}

/** All disks as they are kept, and the largest of those that are converted a second time: they are, one after the other. */
function neededBytes({ vm, disks }: RestoreWish): number {
  const before = vm.configuration === undefined ? [] : parseConfiguration(vm.configuration).disks;
  let sum = 0;
  let largest = 0;
  for (const { label, format, sizeBytes = 0 } of disks) {
    // What a raw file takes is not known: its holes take nothing.
    const stored = format === 'raw' ? 0 : sizeBytes;
    const wasRaw = before.find((disk) => disk.label === label)?.format === 'raw';
    if (format !== (wasRaw ? 'raw' : 'qcow2')) largest = Math.max(largest, stored);
    sum += stored;
  }
  return sum + largest;
}

/** Our own place back again. @throws EverthawError where it is none of ours */
export function libvirtPlace({ ids }: RestorePlace): LibvirtPlace {
  const { directory = '', network = '' } = ids;
  if (directory.startsWith('/')) return { directory, network };
  throw new EverthawError({
    code: 'RestorePlaceMissing',
    what: 'find the directory to restore to',
    why: `${JSON.stringify(directory)} is none`,
    hint: 'start the restore anew',
  });
}

/**
 * Prints the directory. A VM that was restored before lies in a directory of its own, perhaps gone with it: the next one gets its
 * own beside that.
 */
const FIND_DIRECTORY = `
directory=$1
case $directory in /*) ;; *) echo "it is no directory of the host" >&2; exit 1;; esac
if [ -n "$2" ]; then
  if [ -f "$directory/$2" ]; then directory=$3; fi
  if [ -n "$4" ] && ! [ -e "$directory" ]; then directory=$3; fi
fi
[ -d "$directory" ] || { echo "there is no such directory" >&2; exit 1; }
[ -w "$directory" ] || { echo "this user may not write there" >&2; exit 1; }
realpath -e -- "$directory"
`;

function looksRestored(directory: string): boolean {
  return /-[0-9a-f]{8}$/.test(basename(directory));
}

async function findNetwork(virsh: Virsh, network: string): Promise<void> {
  const listed = await virsh.run('list the networks', ['net-list', '--all', '--name']);
  const names = listed.split('\n').filter((name) => name !== '');
  if (names.some((name) => name.trim() === network)) return;
  throw new EverthawError({
    code: 'RestorePlaceMissing',
    what: `find network "${network}" to restore to`,
    why: `libvirt has none of that name${names.length === 0 ? '' : `; it has ${names.join(', ')}`}`,
    hint: 'make it (virsh net-define), or name another with --network',
  });
}

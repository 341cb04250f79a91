import type { Probed } from './probe.js';
import type { ToolName } from './tool.js';

/** How the files of a kind of file system are read without the kernel's own driver for it. */
export interface FileSystem {
  readonly program: ToolName;
  readonly args: (file: string, directory: string) => readonly string[];
  /** Names that differ by case only are one name to its guest. */
  readonly ignoresCase: boolean;
  /** What is not kept of its files; undefined where all is that Linux knows. */
  readonly limits?: string;
}

const EXT: FileSystem = {
  program: 'fuse2fs',
  // Who may read what in the guest is no concern of whoever reads its backup. Its journal is not replayed: that would write.
  args: (file, directory) => ['-o', 'ro,norecovery,fakeroot,nosuid,nodev,noexec', file, directory],
  ignoresCase: false,
};

const NTFS: FileSystem = {
  program: 'ntfs-3g',
  args: (file, directory) => [
    '-o',
    'ro,norecover,nosuid,nodev,noexec,fmask=0177,dmask=0077,streams_interface=xattr,locale=C.UTF-8',
    file,
    directory,
  ],
  ignoresCase: true,
  limits: 'owners and access lists of NTFS are not kept; alternate streams become attributes user.*',
};

const grub = (ignoresCase: boolean, limits: string): FileSystem => ({
  program: 'grub-mount',
  args: (file, directory) => [file, directory],
  ignoresCase,
  limits,
});

const FAT = grub(
  true,
  'it has no owners, modes and links to keep; times are taken for UTC, and short names in capitals come in small letters',
);
const CONTENTS = grub(
  false,
  'contents, names and times only: no owners, modes, attributes and holes, and a link is read as the file that it leads to',
);

const FILE_SYSTEMS: Readonly<Record<string, FileSystem>> = {
  ext2: EXT,
  ext3: EXT,
  ext4: EXT,
  ntfs: NTFS,
  vfat: FAT,
  exfat: FAT,
  xfs: CONTENTS,
  btrfs: CONTENTS,
};

const REFUSALS: Readonly<Record<string, string>> = {
  LVM2_member:
    'it belongs to an LVM volume group, which only the guest’s own system or another that activates it can read',
  crypto_LUKS: 'it is encrypted (LUKS)',
  BitLocker: 'it is encrypted (BitLocker)',
  linux_raid_member: 'it belongs to a Linux software RAID',
  ddf_raid_member: 'it belongs to a RAID',
  isw_raid_member: 'it belongs to a RAID',
  zfs_member: 'it belongs to a ZFS pool',
  swap: 'it is swap space and has no files',
};

/** Why the files of what blkid found cannot be read; undefined where they can. */
export function fileSystemRefusal({ fileSystem, isAmbiguous }: Probed): string | undefined {
  if (isAmbiguous) return 'it bears the marks of more than one file system';
  if (fileSystem === undefined) return 'it has no file system that is known';
  if (Object.hasOwn(FILE_SYSTEMS, fileSystem)) return undefined;
  return Object.hasOwn(REFUSALS, fileSystem)
    ? REFUSALS[fileSystem]
    : `nothing here reads the file system ${fileSystem}`;
}

/** How a volume's files are read that nothing refuses. */
export function fileSystemOf(name: string): FileSystem | undefined {
  return Object.hasOwn(FILE_SYSTEMS, name) ? FILE_SYSTEMS[name] : undefined;
}

/** Whether its files have the same numbers at each mount: GRUB's reader makes them up. */
export function hasSteadyNumbers(fileSystem: string | undefined): boolean {
  return fileSystemOf(fileSystem ?? '')?.program !== 'grub-mount';
}

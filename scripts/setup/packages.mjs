import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { SetupError, show, step } from './report.mjs';

/** What is run, and the Debian package that holds it. */
const NEEDS = [
  { package: 'qemu-utils', isThere: () => isOnPath('qemu-img') },
  { package: 'nbdkit', isThere: hasNbdkit },
  { package: 'libnbd-bin', isThere: () => isOnPath('nbdcopy') },
  { package: 'e2fsprogs', isThere: () => isOnPath('mkfs.ext4') },
  { package: 'qemu-system-x86', isThere: () => isOnPath('qemu-system-x86_64') },
  { package: 'libvirt-daemon', isThere: () => isOnPath('libvirtd') },
  { package: 'libvirt-daemon-driver-qemu', isThere: hasQemuDriver },
  { package: 'libvirt-clients', isThere: () => isOnPath('virsh') },
  { package: 'openssh-client', isThere: () => isOnPath('ssh') && isOnPath('ssh-keygen') },
  { package: 'curl', isThere: () => isOnPath('curl') },
  { package: 'util-linux', isThere: () => isOnPath('flock') && isOnPath('setpriv') && isOnPath('partx') },
  // Files in images.
  { package: 'qemu-system-common', isThere: () => isOnPath('qemu-storage-daemon') },
  { package: 'fuse2fs', isThere: () => isOnPath('fuse2fs') },
  { package: 'ntfs-3g', isThere: () => isOnPath('ntfs-3g') },
  { package: 'grub-common', isThere: () => isOnPath('grub-mount') },
  { package: 'libhivex-bin', isThere: () => isOnPath('hivexget') },
  { package: 'rsync', isThere: () => isOnPath('rsync') },
  { package: 'rclone', isThere: () => isOnPath('rclone') },
  { package: 'restic', isThere: () => isOnPath('restic') },
  // Images of their kinds, for the tests.
  { package: 'fdisk', isThere: () => isOnPath('sfdisk') },
  { package: 'dosfstools', isThere: () => isOnPath('mkfs.vfat') },
  { package: 'mtools', isThere: () => isOnPath('mcopy') },
  { package: 'xfsprogs', isThere: () => isOnPath('mkfs.xfs') },
  { package: 'btrfs-progs', isThere: () => isOnPath('mkfs.btrfs') },
  { package: 'attr', isThere: () => isOnPath('getfattr') },
  { package: 'acl', isThere: () => isOnPath('getfacl') },
];

/** Installs missing Debian packages when root; else says what to type. */
export async function installPackages() {
  const missing = missingPackages();
  if (missing.length === 0) return;
  const names = missing.join(' ');
  const install = `apt-get install --no-install-recommends -y ${names}`;
  if (!isOnPath('apt-get')) {
    throw new SetupError(
      `programs of these Debian packages are missing: ${names}`,
      'install what holds them here by this system’s package manager',
    );
  }
  if (process.getuid() !== 0)
    throw new SetupError(`these Debian packages are missing: ${names}`, `sudo ${install}`);
  await step(`Debian packages ${names}`, async () => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    // Its failure is not the end: the lists that are there may do.
    await show('apt-get', ['update', '-qq'], { env });
    const code = await show('apt-get', ['-qq', ...install.split(' ').slice(1)], { env });
    if (code !== 0) throw new SetupError(`apt-get could not install ${names} (exit ${code})`, install);
  });
  const still = missingPackages();
  if (still.length === 0) return;
  throw new SetupError(
    `packages are installed, and yet what they should hold is missing: ${still.join(' ')}`,
    'see that this is Debian 12, Ubuntu 24.04 or newer, and that nbdkit has its curl plugin and its retry and offset filters',
  );
}

function missingPackages() {
  return NEEDS.filter(({ isThere }) => !isThere()).map((need) => need.package);
}

function isOnPath(program) {
  return process.env.PATH.split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return directory !== '';
    } catch {
      return false;
    }
  });
}

/** A module of libvirtd's, in a directory of the machine's architecture. */
function hasQemuDriver() {
  return ['/usr/lib', ...readdirSync('/usr/lib').map((name) => join('/usr/lib', name))].some((directory) =>
    existsSync(join(directory, 'libvirt/connection-driver/libvirt_driver_qemu.so')),
  );
}

function hasNbdkit() {
  return spawnSync('nbdkit', ['--filter=retry', '--filter=offset', 'curl', '--version']).status === 0;
}

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readSettings } from '../../src/config/settings.js';

/** The lab's programs, built by scripts/setup.mjs. */
const lab = join(readSettings().cacheDirectory, 'lab');

export const VCENTER = join(lab, 'vcenter');
export const GOVC = join(lab, 'govc');
export const EVERTHAW = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** Where disks that take long to make are kept between runs. */
export const DISK_CACHE = join(lab, 'disks');

/** Kernel and initramfs of the lab guest, and the memory that is saved of it. */
export const GUEST = join(lab, 'guest');

/** What libvirt found out about QEMU, which takes it seconds: true of the program, whichever lab asked. */
export const LIBVIRT_CACHE = join(lab, 'libvirt');

/** Debian's sshd, unpacked. */
export const SSHD = join(lab, 'sshd');

/** Debian's zsh and fish, unpacked. */
export const SHELLS = join(lab, 'shells');

/** Debian's libfaketime, unpacked. */
export const FAKETIME = join(lab, 'faketime');

/** Debian's promtool, unpacked: it checks rules of Prometheus, and tries them. */
export const PROMTOOL = join(lab, 'prometheus/usr/bin/promtool');

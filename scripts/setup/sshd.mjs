import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CACHE } from './paths.mjs';
import { SetupError, show } from './report.mjs';

const SSHD = join(CACHE, 'lab/sshd');

/** With the one library of its that no other program here has. */
const PACKAGES = ['openssh-server', 'libwrap0'];

const HINT = 'see that apt reaches its mirror (apt-get update as root), then start again';

export function isSshdThere() {
  return existsSync(join(SSHD, 'usr/sbin/sshd'));
}

/**
 * Debian's sshd for the lab, unpacked and not installed: the package would start a service that lets people in, now and at every
 * boot. So it needs no root either.
 */
export async function fetchSshd() {
  mkdirSync(dirname(SSHD), { recursive: true });
  const aside = mkdtempSync(join(dirname(SSHD), 'new-sshd-'));
  try {
    await download(aside);
    for (const deb of readdirSync(aside).filter((name) => name.endsWith('.deb'))) {
      const status = await show('dpkg-deb', ['-x', join(aside, deb), join(aside, 'unpacked')]);
      if (status !== 0) throw new SetupError(`dpkg-deb could not unpack ${deb} (exit ${status})`, HINT);
    }
    rmSync(SSHD, { recursive: true, force: true });
    renameSync(join(aside, 'unpacked'), SSHD);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

/** By the machine's own lists, and if they are missing or too old, by lists of our own. */
async function download(directory) {
  // As root, apt would else try in vain to write here as its own user, and say so.
  const apt = (...args) =>
    show('apt-get', ['-qq', '-o', 'APT::Sandbox::User=root', ...args], { cwd: directory });
  if ((await apt('download', ...PACKAGES)) === 0) return;
  for (const each of ['lists/partial', 'cache/archives/partial'])
    mkdirSync(join(directory, each), { recursive: true });
  const own = ['Dir::State::lists', 'Dir::Cache'].flatMap((name, n) => [
    ...['-o', `${name}=${join(directory, ['lists', 'cache'][n])}`],
  ]);
  await apt(...own, 'update');
  if ((await apt(...own, 'download', ...PACKAGES)) !== 0)
    throw new SetupError('apt-get could not download the packages of the lab’s sshd', HINT);
}

import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CACHE } from './paths.mjs';
import { SetupError, show } from './report.mjs';

const HINT = 'see that apt reaches its mirror (apt-get update as root), then start again';

/**
 * Programs of Debian's for the lab, unpacked and not installed, so that they need no root and change nothing on the machine: the
 * package of sshd would start a service that lets people in, now and at every boot.
 */
const UNPACKED = [
  {
    name: 'sshd',
    // With the one library of its that no other program here has.
    packages: ['openssh-server', 'libwrap0'],
    isWhole: (directory) => existsSync(join(directory, 'usr/sbin/sshd')),
  },
  {
    name: 'faketime',
    packages: ['libfaketime'],
    isWhole: (directory) => existsSync(join(directory, 'usr/lib')),
  },
  {
    // Reads our alarms.
    name: 'prometheus',
    packages: ['prometheus'],
    isWhole: (directory) => existsSync(join(directory, 'usr/bin/promtool')),
  },
  {
    // Read our completions; their own libraries that are not on every Debian.
    name: 'shells',
    packages: ['zsh', 'fish', 'libpcre2-32-0'],
    isWhole: (directory) =>
      ['zsh', 'fish'].every(
        (shell) => existsSync(join(directory, 'bin', shell)) || existsSync(join(directory, 'usr/bin', shell)),
      ),
  },
];

export function missingUnpacked() {
  return UNPACKED.filter(({ name, isWhole }) => !isWhole(directoryOf(name)));
}

function directoryOf(name) {
  return join(CACHE, 'lab', name);
}

export async function fetchUnpacked({ name, packages }) {
  const directory = directoryOf(name);
  mkdirSync(dirname(directory), { recursive: true });
  const aside = mkdtempSync(join(dirname(directory), `new-${name}-`));
  try {
    await download(aside, packages);
    for (const deb of readdirSync(aside).filter((file) => file.endsWith('.deb'))) {
      const status = await show('dpkg-deb', ['-x', join(aside, deb), join(aside, 'unpacked')]);
      if (status !== 0) throw new SetupError(`dpkg-deb could not unpack ${deb} (exit ${status})`, HINT);
    }
    rmSync(directory, { recursive: true, force: true });
    renameSync(join(aside, 'unpacked'), directory);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

/** By the machine's own lists, and if they are missing or too old, by lists of our own. */
async function download(directory, packages) {
  // As root, apt would else try in vain to write here as its own user, and say so.
  const apt = (...args) =>
    show('apt-get', ['-qq', '-o', 'APT::Sandbox::User=root', ...args], { cwd: directory });
  if ((await apt('download', ...packages)) === 0) return;
  for (const each of ['lists/partial', 'cache/archives/partial'])
    mkdirSync(join(directory, each), { recursive: true });
  const own = ['Dir::State::lists', 'Dir::Cache'].flatMap((name, n) => [
    ...['-o', `${name}=${join(directory, ['lists', 'cache'][n])}`],
  ]);
  await apt(...own, 'update');
  if ((await apt(...own, 'download', ...packages)) !== 0)
    throw new SetupError(`apt-get could not download ${packages.join(' ')} for the lab`, HINT);
}

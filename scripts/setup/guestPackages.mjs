import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError, show } from './report.mjs';

/** The small kernels of Debian and Ubuntu; both are empty packages that name the real one. */
const KERNELS = ['linux-image-cloud-amd64', 'linux-image-virtual'];

const HINT = 'see that apt’s lists are there (apt-get update as root), then start again';

/** The packages of a kernel and its modules. */
export function kernelPackages() {
  for (const kernel of KERNELS) {
    const found = dependenciesOf(kernel).filter((name) => /^linux-(image|modules)-\d/.test(name));
    if (found.length > 0) return found;
  }
  throw new SetupError(`apt knows no kernel for the lab guest (${KERNELS.join(', ')})`, HINT);
}

/** The packages of the libraries that the guest agent is linked with. */
export function libraryPackages() {
  const direct = dependenciesOf('qemu-guest-agent').filter((name) => name.startsWith('lib'));
  return [...new Set(direct.flatMap((name) => dependenciesOf(name, '--recurse')))].filter((name) =>
    /^lib(?!perl)/.test(name),
  );
}

/** Downloads packages and unpacks them below a directory; installs nothing, and so needs no root. */
export async function downloadPackages(names, directory) {
  const debs = join(directory, 'debs');
  const unpacked = join(directory, 'unpacked');
  mkdirSync(debs);
  mkdirSync(unpacked);
  // As root, apt would else try in vain to write here as its own user, and say so.
  const code = await show('apt-get', ['-qq', '-o', 'APT::Sandbox::User=root', 'download', ...names], {
    cwd: debs,
  });
  if (code !== 0) throw new SetupError(`apt-get could not download ${names.join(' ')} (exit ${code})`, HINT);
  for (const deb of readdirSync(debs)) {
    const status = await show('dpkg-deb', ['-x', join(debs, deb), unpacked]);
    if (status !== 0) throw new SetupError(`dpkg-deb could not unpack ${deb} (exit ${status})`, HINT);
  }
  return unpacked;
}

function dependenciesOf(name, ...flags) {
  const no = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map(
    (kind) => `--no-${kind}`,
  );
  const { stdout, error } = spawnSync('apt-cache', ['depends', ...no, ...flags, name], { encoding: 'utf8' });
  if (error) throw new SetupError('there is no apt-cache program', 'build the lab on Debian or Ubuntu');
  const lines = stdout.split('\n');
  // With --recurse each package has a line of its own; else the dependencies follow its name.
  const found = flags.includes('--recurse')
    ? lines.filter((line) => /^\w/.test(line))
    : lines.flatMap((line) => /^ +\|?(?:Pre)?Depends: (\S+)$/.exec(line)?.[1] ?? []);
  return found.map((each) => each.trim());
}

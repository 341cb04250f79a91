import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError, show } from './report.mjs';

/** The small kernels of Debian and Ubuntu; both are empty packages that name the real one. */
const KERNELS = ['linux-image-cloud-amd64', 'linux-image-virtual'];

const HINT = 'see that apt reaches its mirror (apt-get update as root), then start again';

const ONLY_DEPENDS = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map(
  (kind) => `--no-${kind}`,
);

/** Downloads the guest's packages and unpacks them below a directory; installs nothing, and so needs no root. */
export async function downloadGuestPackages(directory) {
  const debs = join(directory, 'debs');
  const unpacked = join(directory, 'unpacked');
  mkdirSync(debs);
  mkdirSync(unpacked);
  // The machine's own lists, and if they are missing or too old, lists of our own.
  if (!(await download(debs, [])) && !(await download(debs, await ownLists(directory))))
    throw new SetupError('apt-get could not download the packages of the lab guest', HINT);
  for (const deb of readdirSync(debs)) {
    const status = await show('dpkg-deb', ['-x', join(debs, deb), unpacked]);
    if (status !== 0) throw new SetupError(`dpkg-deb could not unpack ${deb} (exit ${status})`, HINT);
  }
  return unpacked;
}

async function download(debs, options) {
  const kernel = KERNELS.map((name) => kernelPackages(name, options)).find((names) => names.length > 0);
  if (kernel === undefined) return false;
  const names = ['busybox-static', 'qemu-guest-agent', ...kernel, ...libraryPackages(options)];
  // As root, apt would else try in vain to write here as its own user, and say so.
  const sandbox = ['-o', 'APT::Sandbox::User=root'];
  return (await show('apt-get', [...options, ...sandbox, '-qq', 'download', ...names], { cwd: debs })) === 0;
}

async function ownLists(directory) {
  const apt = join(directory, 'apt');
  mkdirSync(join(apt, 'lists/partial'), { recursive: true });
  mkdirSync(join(apt, 'cache/archives/partial'), { recursive: true });
  const options = ['-o', `Dir::State::lists=${join(apt, 'lists')}`, '-o', `Dir::Cache=${join(apt, 'cache')}`];
  // Its failure shows in the download.
  await show('apt-get', [...options, '-o', 'APT::Sandbox::User=root', '-qq', 'update']);
  return options;
}

/** The packages of a kernel and of its modules. */
function kernelPackages(name, options) {
  return dependenciesOf(name, options).filter((each) => /^linux-(image|modules)-\d/.test(each));
}

/** The packages of the libraries that the guest agent is linked with, and of theirs. */
function libraryPackages(options) {
  const direct = dependenciesOf('qemu-guest-agent', options).filter((name) => name.startsWith('lib'));
  // Each package that is reached has a line of its own.
  const reached = askApt(['--recurse', ...ONLY_DEPENDS, ...direct], options).filter((line) =>
    /^\w/.test(line),
  );
  return [...new Set(reached)].filter((name) => name.startsWith('lib'));
}

function dependenciesOf(name, options) {
  return askApt([...ONLY_DEPENDS, name], options).flatMap(
    (line) => /^ +\|?(?:Pre)?Depends: (\S+)$/.exec(line)?.[1] ?? [],
  );
}

function askApt(args, options) {
  const { stdout, error } = spawnSync('apt-cache', [...options, 'depends', ...args], { encoding: 'utf8' });
  if (error) throw new SetupError('there is no apt-cache program', 'build the lab on Debian or Ubuntu');
  return stdout.split('\n');
}

import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { filesIn } from './build.mjs';
import { SetupError, show } from './report.mjs';

const DIRECTORIES = [
  'bin',
  'sbin',
  'usr/bin',
  'usr/sbin',
  'proc',
  'sys',
  'dev',
  'run',
  'tmp',
  'data',
  'second',
  'modules',
];

/** What the guest needs of its kernel, if it is not built in. */
const MODULES = ['virtio_pci', 'virtio_blk', 'virtio_console', 'virtio_net', 'ext4'];

/** Lays out the guest's root file system, and packs it as `initrd` beside its kernel `vmlinuz`. */
export async function packInitramfs(sources, unpacked, directory) {
  const root = join(directory, 'root');
  for (const each of DIRECTORIES) mkdirSync(join(root, each), { recursive: true });
  cpSync(join(sources, 'root'), root, { recursive: true });
  for (const name of ['pre-freeze-script', 'post-thaw-script'])
    symlinkSync('freeze-script', join(root, 'usr/sbin', name));

  const files = filesIn(unpacked);
  copyFileSync(oneOf(files, /\/boot\/vmlinuz-/), join(directory, 'vmlinuz'));
  const busybox = oneOf(files, /\/bin\/busybox$/);
  copyFileSync(busybox, join(root, 'bin/busybox'));
  copyModules(files, join(root, 'modules'));
  copyAgent(files, root);
  await buildWriter(sources, join(root, 'usr/bin/writer'));

  const packed = spawnSync(
    'sh',
    [
      '-c',
      'set -e; cd "$1"; find . | "$2" cpio -o -H newc 2>/dev/null | gzip -1 > "$3"',
      'sh',
      root,
      busybox,
      join(directory, 'initrd'),
    ],
    { encoding: 'utf8' },
  );
  if (packed.status !== 0) throw new SetupError(`the lab guest cannot be packed: ${packed.stderr}`, 'see df');
}

/** Copies modules with what they depend on, and writes down in which order they go in. */
function copyModules(files, to) {
  const byName = new Map(
    files
      .filter((file) => /\.ko(\.(xz|zst))?$/.test(file))
      .map((file) => [
        basename(file)
          .replace(/\.ko.*$/, '')
          .replaceAll('-', '_'),
        file,
      ]),
  );
  const order = [];
  const seen = new Set();
  const add = (name) => {
    const file = byName.get(name);
    if (file === undefined || seen.has(name)) return;
    seen.add(name);
    const bytes = readModule(file);
    const depends = /\0depends=([^\0]*)\0/.exec(bytes.toString('latin1'))?.[1] ?? '';
    for (const each of depends.split(',')) add(each.replaceAll('-', '_'));
    writeFileSync(join(to, `${name}.ko`), bytes);
    order.push(`${name}.ko`);
  };
  MODULES.forEach(add);
  writeFileSync(join(to, 'order'), `${order.join('\n')}\n`);
}

function readModule(file) {
  const program = file.endsWith('.xz') ? 'xz' : file.endsWith('.zst') ? 'zstd' : undefined;
  if (program === undefined) return readFileSync(file);
  const { stdout, status, error } = spawnSync(program, ['-dc', file], { maxBuffer: 2 ** 28 });
  if (status === 0) return stdout;
  throw new SetupError(`${program} cannot unpack ${file}: ${error?.message ?? status}`, `install ${program}`);
}

/** Copies the guest agent with its libraries; the loader that came with them says which these are. */
function copyAgent(files, root) {
  const agent = oneOf(files, /\/usr\/sbin\/qemu-ga$/);
  const loader = oneOf(files, /\/ld-linux-x86-64\.so\.2$/);
  const places = [...new Set(files.filter((file) => /\.so\.\d/.test(file)).map((file) => dirname(file)))];
  const listed = spawnSync(loader, ['--library-path', places.join(':'), '--list', agent], {
    encoding: 'utf8',
  });
  if (listed.status !== 0 || listed.stdout.includes('not found'))
    throw new SetupError(
      `the guest agent lacks a library: ${listed.stdout}${listed.stderr}`,
      'see test/lab/guest',
    );
  for (const place of ['lib64', 'lib']) mkdirSync(join(root, place), { recursive: true });
  for (const [, name, path] of listed.stdout.matchAll(/(\S+) => (\/\S+)/g))
    if (path !== loader) copyFileSync(path, join(root, 'lib', basename(name)));
  copyFileSync(loader, join(root, 'lib64', basename(loader)));
  copyFileSync(agent, join(root, 'usr/sbin/qemu-ga'));
  for (const program of ['lib64/ld-linux-x86-64.so.2', 'usr/sbin/qemu-ga'])
    chmodSync(join(root, program), 0o755);
}

async function buildWriter(sources, to) {
  const code = await show(
    'go',
    ['build', '-trimpath', '-buildvcs=false', '-ldflags=-s -w', '-o', to, './writer'],
    {
      cwd: sources,
      env: { ...process.env, CGO_ENABLED: '0', GOOS: 'linux', GOARCH: 'amd64' },
    },
  );
  if (code !== 0)
    throw new SetupError(
      `the lab guest's writer cannot be built (go ended with ${code})`,
      'go says why above',
    );
}

function oneOf(files, pattern) {
  const found = files.find((file) => pattern.test(file));
  if (found !== undefined) return found;
  throw new SetupError(`the packages of the lab guest hold no ${pattern.source}`, 'see apt-cache policy');
}

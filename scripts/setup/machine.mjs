import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError } from './report.mjs';
import { ROOT } from './paths.mjs';

const NODE_WANTED = '20.11';

// A plain user's PATH often lacks the first (mkfs.ext4) and a shell without login the second (Go's usual place).
process.env.PATH = [process.env.PATH, '/usr/sbin', '/sbin', '/usr/local/go/bin'].join(':');

export function requireNode() {
  if (isAtLeast(process.versions.node, NODE_WANTED)) return;
  throw new SetupError(
    `this is Node ${process.versions.node}, and Everthaw needs ${NODE_WANTED} or newer`,
    'install Node 22 or newer: https://nodejs.org',
  );
}

/** Temporal's core comes as a native module for glibc only. */
export function requirePlatform() {
  if (process.platform === 'linux' && process.report.getReport().header.glibcVersionRuntime) return;
  throw new SetupError(
    `Everthaw runs on Linux with glibc, and this is ${process.platform === 'linux' ? 'another C library' : process.platform}`,
    'use Debian, Ubuntu or the like, or a container of it (not Alpine)',
  );
}

/** Go builds the lab's vCenter, and the Temporal server where it cannot be downloaded. */
export function requireGo() {
  const wanted = /^go (\S+)$/m.exec(readFileSync(join(ROOT, 'test/lab/vcenter/go.mod'), 'utf8'))[1];
  const hint = `install Go ${wanted} or newer from https://go.dev/dl and put its bin directory on the PATH`;
  const { stdout, error } = spawnSync('go', ['env', 'GOVERSION', 'GOTOOLCHAIN'], {
    encoding: 'utf8',
    cwd: '/',
  });
  if (error) throw new SetupError('there is no go program on the PATH', hint);
  const [version, toolchain] = stdout.trim().split('\n');
  const found = version.replace(/^go/, '');
  if (isAtLeast(found, wanted)) return;
  // From 1.21 on it fetches a newer one by itself, unless it is told not to.
  if (isAtLeast(found, '1.21') && /^(auto|path|.*\+auto)$/.test(toolchain)) return;
  throw new SetupError(`Go is ${found}, and the lab needs ${wanted} or newer`, hint);
}

function isAtLeast(version, wanted) {
  const numbers = (text) => text.split('.').map((part) => Number.parseInt(part, 10) || 0);
  const [have, want] = [numbers(version), numbers(wanted)];
  return have[0] > want[0] || (have[0] === want[0] && have[1] >= want[1]);
}

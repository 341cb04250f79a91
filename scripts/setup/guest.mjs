import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filesIn } from './build.mjs';
import { packInitramfs } from './guestInitramfs.mjs';
import { downloadGuestPackages } from './guestPackages.mjs';
import { CACHE, ROOT } from './paths.mjs';

const SOURCES = join(ROOT, 'test/lab/guest');
const BUILDERS = ['guest.mjs', 'guestPackages.mjs', 'guestInitramfs.mjs'].map((name) =>
  join(dirname(fileURLToPath(import.meta.url)), name),
);
const GUEST = join(CACHE, 'lab/guest');

/** The file that tells which sources a guest was built of; memory that tests save of it is kept under the same name. */
const STAMP = 'sources';

/** Whether the lab guest was built from the sources that are here. */
export function isGuestBuilt() {
  const stamp = join(GUEST, STAMP);
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === hashOfSources();
}

/** Builds a VM small enough to start for a test: a kernel, and an initramfs with busybox, guest agent and writer. */
export async function buildGuest() {
  mkdirSync(dirname(GUEST), { recursive: true });
  // Built aside and renamed: a build that breaks off leaves no half guest.
  const aside = mkdtempSync(join(dirname(GUEST), 'new-guest-'));
  try {
    const unpacked = await downloadGuestPackages(aside);
    await packInitramfs(SOURCES, unpacked, aside);
    for (const each of ['apt', 'debs', 'unpacked', 'root'])
      rmSync(join(aside, each), { recursive: true, force: true });
    writeFileSync(join(aside, STAMP), hashOfSources());
    rmSync(GUEST, { recursive: true, force: true });
    renameSync(aside, GUEST);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

function hashOfSources() {
  const hash = createHash('sha256');
  const sources = filesIn(SOURCES).filter((file) => !file.endsWith('.md'));
  for (const file of [...sources, ...BUILDERS].sort())
    hash.update(`${relative(ROOT, file)}\0`).update(readFileSync(file));
  return hash.digest('hex');
}

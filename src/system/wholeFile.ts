import { randomBytes } from 'node:crypto';
import { readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isAlive, ownPid, processIdentity } from './processIdentity.js';

/** To write a note takes a moment: whoever stood still for so long, and finds it gone, may fail. */
const ABANDONED_MS = 30_000;

/** Behind the file's name: who writes it. */
const ASIDE = /\.(\d+)-(\d+)-[0-9a-f]{8}\.aside$/;

/**
 * Writes a small file that is there with all of its text or as it was before, whoever is killed meanwhile: beside it first. Several may
 * write it at once.
 */
export async function writeWhole(file: string, text: string): Promise<void> {
  const { pid, startTime } = await processIdentity(ownPid());
  const aside = `${file}.${pid}-${startTime}-${randomBytes(4).toString('hex')}.aside`;
  await writeFile(aside, text, { mode: 0o600, flush: true });
  await rename(aside, file);
}

/** Removes a file that {@link writeWhole} wrote, and what was killed writing it. Not what another is writing now: that is no end of it. */
export async function removeWhole(file: string): Promise<void> {
  await rm(file, { force: true });
  await removeAsides(dirname(file), (name) => name === basename(file));
}

/** Removes what was killed while it wrote a file of a directory. */
export async function removeAbandoned(directory: string): Promise<void> {
  await removeAsides(directory, () => true);
}

async function removeAsides(directory: string, isOf: (name: string) => boolean): Promise<void> {
  const names = await readdir(directory).catch((): readonly string[] => []);
  for (const name of names) {
    const [, pid, startTime = ''] = ASIDE.exec(name) ?? [];
    if (pid === undefined || !isOf(name.replace(ASIDE, ''))) continue;
    const file = join(directory, name);
    const found = await stat(file).catch(() => undefined);
    if (found === undefined) continue;
    const isOld = Date.now() - found.mtimeMs > ABANDONED_MS;
    if (isOld || !(await isAlive({ pid: Number(pid), startTime }))) await rm(file, { force: true });
  }
}

import { randomUUID } from 'node:crypto';
import { readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** To write a note takes a moment: an older one that is not whole has no writer any more, or one that finds it gone and fails. */
const ABANDONED_MS = 30_000;

const ASIDE = /\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.aside$/;

/**
 * Writes a small file that is there with all of its text or as it was before, whoever is killed meanwhile: beside it first. Several may
 * write it at once.
 */
export async function writeWhole(file: string, text: string): Promise<void> {
  const aside = `${file}.${randomUUID()}.aside`;
  await writeFile(aside, text, { mode: 0o600, flush: true });
  await rename(aside, file);
}

/** Removes a file that {@link writeWhole} wrote, and what was killed writing it. */
export async function removeWhole(file: string): Promise<void> {
  await rm(file, { force: true });
  const own = (await asidesIn(dirname(file))).filter((name) => name.replace(ASIDE, '') === basename(file));
  for (const name of own) await rm(join(dirname(file), name), { force: true });
}

/** Removes what was killed while it wrote a file of a directory. */
export async function removeAbandoned(directory: string): Promise<void> {
  for (const name of await asidesIn(directory)) {
    const file = join(directory, name);
    const found = await stat(file).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > ABANDONED_MS) await rm(file, { force: true });
  }
}

async function asidesIn(directory: string): Promise<readonly string[]> {
  return (await readdir(directory).catch(() => [])).filter((name) => ASIDE.test(name));
}

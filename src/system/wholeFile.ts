import { randomUUID } from 'node:crypto';
import { readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** To write a note takes a moment: one that is not whole by then has no writer any more, or one that stands still. */
const KILLED_MS = 5_000;
/** Whoever stood still so long, and finds it gone, may fail. */
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

/** Removes a file that {@link writeWhole} wrote, and what was killed writing it. Not what another is writing now: that is no end of it. */
export async function removeWhole(file: string): Promise<void> {
  await rm(file, { force: true });
  await removeAsides(dirname(file), KILLED_MS, (name) => name === basename(file));
}

/** Removes what was killed while it wrote a file of a directory. */
export async function removeAbandoned(directory: string): Promise<void> {
  await removeAsides(directory, ABANDONED_MS, () => true);
}

async function removeAsides(
  directory: string,
  olderMs: number,
  isOf: (name: string) => boolean,
): Promise<void> {
  const names = await readdir(directory).catch((): readonly string[] => []);
  for (const name of names) {
    if (!ASIDE.test(name) || !isOf(name.replace(ASIDE, ''))) continue;
    const file = join(directory, name);
    const found = await stat(file).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > olderMs) await rm(file, { force: true });
  }
}

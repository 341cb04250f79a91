import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, readFile, rm, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeptSession, SessionStore } from './vsphere/session.js';

/**
 * Keeps sessions in a directory, the cookie of each in a file that only its owner reads. Nobody has to wait for another, and no cookie is written over: a
 * session that is not noted would live on when its run has ended. A login that is begun is an empty file, until it is known what it came to.
 */
export function sessionFiles(directory: string): SessionStore {
  return {
    load: async () => {
      const names = await readdir(directory).catch((): readonly string[] => []);
      const cookies = names.filter((name) => !name.endsWith(BEGUN));
      const found = await Promise.all(cookies.map((name) => kept(directory, name)));
      return found.flatMap((each) => each ?? []).toSorted((one, other) => other.at - one.at);
    },
    begin: () => {
      const mark = randomUUID();
      writeInto(directory, `${mark}${BEGUN}`, '');
      return mark;
    },
    keep: (cookie, mark) => {
      const id = createHash('sha256').update(cookie).digest('hex').slice(0, 16);
      writeInto(directory, id, cookie);
      rmSync(join(directory, `${mark}${BEGUN}`), { force: true });
    },
    begun: async () => {
      const names = await readdir(directory).catch((): readonly string[] => []);
      return names.filter((name) => name.endsWith(BEGUN)).map((name) => name.slice(0, -BEGUN.length));
    },
    settle: (mark) => removeFrom(directory, `${mark}${BEGUN}`),
    forget: ({ id }) => removeFrom(directory, id),
  };
}

const BEGUN = '.begun';

async function removeFrom(directory: string, name: string): Promise<void> {
  await rm(join(directory, name), { force: true });
  // Others may be in it.
  await rmdir(directory).catch(() => undefined);
}

async function kept(
  directory: string,
  id: string,
): Promise<(KeptSession & { readonly at: number }) | undefined> {
  try {
    const file = join(directory, id);
    const [cookie, { mtimeMs }] = await Promise.all([readFile(file, 'utf8'), stat(file)]);
    return { id, cookie, at: mtimeMs };
  } catch {
    // It ended meanwhile.
    return undefined;
  }
}

function writeInto(directory: string, name: string, text: string): void {
  while (true) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    try {
      writeFileSync(join(directory, name), text, { mode: 0o600 });
      return;
    } catch (error) {
      // Who forgot the last one took the directory away.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

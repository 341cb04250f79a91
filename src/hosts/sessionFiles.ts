import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { readdir, readFile, rm, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeptSession, SessionStore } from './vsphere/session.js';

/**
 * Keeps sessions in a directory, the cookie of each in a file that only its owner reads. Nobody has to wait for another, and no cookie is written over: a
 * session that is not noted would live on when its run has ended.
 */
export function sessionFiles(directory: string): SessionStore {
  return {
    load: async () => {
      const names = await readdir(directory).catch((): readonly string[] => []);
      const found = await Promise.all(names.map((name) => kept(directory, name)));
      return found.flatMap((each) => each ?? []).toSorted((one, other) => other.at - one.at);
    },
    keep: (cookie) => {
      const id = createHash('sha256').update(cookie).digest('hex').slice(0, 16);
      writeInto(directory, id, cookie);
    },
    forget: async ({ id }) => {
      await rm(join(directory, id), { force: true });
      // Others may be in it.
      await rmdir(directory).catch(() => undefined);
    },
  };
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

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { withFileLock } from '../system/fileLock.js';
import type { SessionStore } from './vsphere/session.js';

/** Keeps a session's cookie in a file that only its owner reads; processes that share it change it one at a time, by a lock's file. */
export function fileSessionStore(file: string, lock: string): SessionStore {
  const load = (): Promise<string | undefined> => readFile(file, 'utf8').catch(() => undefined);
  return {
    load,
    keep: async (cookie, instead) => {
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      return withFileLock(lock, async () => {
        const kept = await load();
        if (kept !== undefined && kept !== instead) return kept;
        await writeFile(file, cookie, { mode: 0o600 });
        return cookie;
      });
    },
    forget: async (cookie) => {
      if ((await load()) !== cookie) return;
      await withFileLock(lock, async () => {
        if ((await load()) === cookie) await rm(file, { force: true });
      });
    },
  };
}

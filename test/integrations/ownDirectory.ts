import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { localBackup } from '../../src/destinations/storedBackup.js';
import { verifyRestorePoint } from '../../src/destinations/verifyRestorePoint.js';
import type { Ran } from '../lab/run.js';
import { filesIn } from '../volumes/imageBackup.js';

/** A directory of its own for a test file, and the program that reads what is backed up there. */
export function ownDirectory() {
  let directory: string;
  let copies = 0;
  const at = (...names: readonly string[]): string => join(directory, ...names);

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'everthaw-tar-'));
  });

  afterAll(() => rm(directory, { recursive: true, force: true }));

  const files = (...words: readonly string[]): Promise<Ran> => filesIn(at('state'))(...words);

  return {
    at,
    files,
    /** Copies out of a restore point into a new directory, and says where. */
    get: async (
      backup: string,
      ...paths: readonly string[]
    ): Promise<{ readonly to: string; readonly ran: Ran }> => {
      const to = at(`copy${++copies}`);
      return { to, ran: await files('get', backup, ...paths, '--to', to) };
    },
  };
}

export async function verified(backup: string) {
  return verifyRestorePoint(localBackup(backup), () => undefined, new AbortController().signal);
}

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach } from 'vitest';
import { formatOwner } from '../../src/domain/owner.js';
import { writeBackup } from '../lab/backupDirectory.js';
import { EVERTHAW } from '../lab/programs.js';
import { run, type Ran } from '../lab/run.js';

export const DB = '50c429f0-0000-4000-8000-00000000000a';
export const WEB = '50c429f0-0000-4000-8000-00000000000b';

interface Made {
  readonly vm?: string;
  readonly uuid?: string;
  readonly run?: string;
}

/** A directory of its own for each test of a file, backups in it, and the program, which has nothing to reach a host or a server by. */
export function nightlyBackups() {
  let root: string;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'everthaw-forget-'));
  });

  afterEach(() => rm(root, { recursive: true }));

  function environment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    const env = { PATH: process.env['PATH'], HOME: join(root, 'no-home'), TZ: 'UTC' };
    return { ...env, EVERTHAW_STATE: join(root, '.state'), EVERTHAW_CONFIG: '/dev/null', ...more };
  }

  /** A restore point of a VM at a time: `2026-11-20T01:00:00Z`. */
  async function make(name: string, pointInTime: string, made: Made = {}): Promise<string> {
    const directory = join(root, name);
    const { vm = 'db', uuid = DB, run: runId = randomUUID() } = made;
    await writeBackup(directory, vm, (manifest) => ({
      ...{ ...manifest, runId, pointInTime },
      vm: { ...manifest.vm, instanceUuid: uuid },
    }));
    return directory;
  }

  return {
    root: () => root,
    environment,
    make,
    everthaw: (...args: readonly string[]): Promise<Ran> =>
      run(process.execPath, [EVERTHAW, ...args], { env: environment(), mayFail: true }),
    /** db-1 to db-<days>, one a night. */
    makeNights: async (days: number): Promise<void> => {
      for (let day = 1; day <= days; day++) await make(`db-${day}`, `2026-11-1${day}T01:00:00Z`);
    },
    standing: async (): Promise<readonly string[]> =>
      (await readdir(root)).filter((name) => name !== '.state').toSorted(),
  };
}

export function ownerOf(uuid: string, takenAt: string): string {
  return formatOwner({
    ...{ version: 1, cluster: 'c', namespace: 'n', workflowId: 'vm/h/u', runId: randomUUID(), hostUuid: 'h' },
    ...{ vmUuid: uuid, proxy: 'p', machineId: 'm', bootId: 'b', takenAt },
  });
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeBackup } from '../test/lab/backupDirectory.js';
import { EVERTHAW } from '../test/lab/programs.js';
import { run } from '../test/lab/run.js';
import type { BenchLab } from './benchLab.js';
import { atMost, type Figure, type Row } from './figure.js';
import { inPairs, seconds } from './pairs.js';

const BACKUPS = 1000;
const MOST_S = 1;

/** What who looks for a backup waits for. */
export const listBackups: Figure = {
  name: 'list',
  title: `everthaw list of ${BACKUPS} backups, against a cat of their manifests`,
  async measure(_lab: BenchLab, runs: number): Promise<readonly Row[]> {
    const root = await mkdtemp(join(tmpdir(), 'everthaw-list-'));
    try {
      for (let n = 0; n < BACKUPS; n++) await writeBackup(join(root, `vm${n}-fullVM`), `vm${n}`);
      const { ours, reference, ratio } = await inPairs(
        runs,
        () => seconds(() => run(process.execPath, [EVERTHAW, 'list', root])),
        () => seconds(() => run('sh', ['-c', 'cat "$1"/*/manifest.json', 'sh', root])),
      );
      const wanted = atMost(MOST_S, 's', ours.median);
      return [{ what: `list ${BACKUPS} backups`, ours, reference, ratio, unit: 's', wanted }];
    } finally {
      await rm(root, { recursive: true });
    }
  },
};

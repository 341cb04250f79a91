import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../test/lab/run.js';
import type { BenchLab } from './benchLab.js';
import type { Figure, Row } from './figure.js';
import { native } from './native.js';
import { seconds } from './pairs.js';
import { nbdUri, withServedDisk } from './servedDisk.js';
import { spreadOf } from './statistics.js';

/** nbdcopy's best on this disk, which `--only nbdcopy` found. */
export const NBDCOPY_BEST = ['--request-size=2097152', '--requests=1'] as const;

const SETTINGS: readonly (readonly string[])[] = [
  [],
  NBDCOPY_BEST,
  ['--request-size=2097152', '--requests=4'],
  ['--request-size=8388608', '--requests=1'],
  ['--request-size=8388608', '--requests=4'],
  ['--request-size=33554432', '--requests=1'],
  ['--synchronous', '--request-size=8388608'],
];

/** How the reference of datastore access got its settings; measured when asked for by name. */
export const nbdcopySettings: Figure = {
  name: 'nbdcopy',
  title: 'nbdcopy from nbdkit into a file, by its settings',
  async measure(lab: BenchLab, runs: number): Promise<readonly Row[]> {
    const file = join(lab.directory, 'disk-flat.vmdk');
    return withServedDisk(lab, async ({ host, serve }) => {
      const server = await serve('nbd');
      const times = SETTINGS.map((): number[] => []);
      for (let n = 0; n < runs; n++) {
        for (const [index, settings] of SETTINGS.entries()) {
          await rm(file, { force: true });
          await host.now();
          await run('sync', []);
          times[index]?.push(await seconds(() => native('nbdcopy', [...settings, nbdUri(server), file])));
        }
      }
      await server.stop();
      await rm(file);
      return SETTINGS.map((settings, index): Row => {
        const what = `nbdcopy ${settings.join(' ') || '(defaults)'}`;
        return { what, reference: spreadOf(times[index] ?? []), unit: 's' };
      });
    });
  },
};

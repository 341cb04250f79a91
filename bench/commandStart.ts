import { EVERTHAW } from '../test/lab/programs.js';
import { run } from '../test/lab/run.js';
import type { BenchLab } from './benchLab.js';
import { atMost, type Figure, type Row } from './figure.js';
import { inPairs, seconds } from './pairs.js';
import type { Spread } from './statistics.js';

const MOST_MS = 150;
/** Each is so short that one tells little. */
const STARTS_PER_RUN = 4;

/** What every command pays before it does anything. */
export const commandStart: Figure = {
  name: 'start',
  title: 'everthaw --help, against a Node that does nothing',
  async measure(_lab: BenchLab, runs: number): Promise<readonly Row[]> {
    const { ours, reference, ratio } = await inPairs(
      runs * STARTS_PER_RUN,
      () => seconds(() => run(process.execPath, [EVERTHAW, '--help'])),
      () => seconds(() => run(process.execPath, ['-e', '0'])),
    );
    const row = { ours: inMs(ours), reference: inMs(reference), ratio, unit: 'ms' } as const;
    return [{ what: 'everthaw --help', ...row, wanted: atMost(MOST_MS, 'ms', row.ours.median) }];
  },
};

function inMs({ median, minimum, maximum }: Spread): Spread {
  return { median: median * 1000, minimum: minimum * 1000, maximum: maximum * 1000 };
}

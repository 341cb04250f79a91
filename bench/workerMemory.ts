import { join } from 'node:path';
import { LabEverthaw } from '../test/lab/everthaw.js';
import type { BenchLab } from './benchLab.js';
import { atMost, type Figure, type Row } from './figure.js';
import { peaksDuring, type Peaks } from './processPeaks.js';
import { spreadOf } from './statistics.js';

const MOST_MIB = 400;

/** Most memory of a worker and of its children, from its start over the backup of one VM. */
export const workerMemory: Figure = {
  name: 'memory',
  title: 'memory of a worker that backs up one VM (VmHWM since its start), and of its children',
  async measure(lab: BenchLab, runs: number): Promise<readonly Row[]> {
    const rows: Row[] = [];
    for (const transport of ['nbdssl:lease', 'nbdssl:datastore'] as const) {
      for (const [vm, size] of [
        ['small', '256 MiB'],
        ['large', '4 GiB'],
      ] as const) {
        const seen: Peaks[] = [];
        for (let n = 0; n < Math.min(runs, 3); n++) seen.push(await backUpOnce(lab, vm, transport));
        rows.push(...rowsOf(`${size} by ${transport}`, seen));
      }
    }
    return rows;
  },
};

/** A worker of its own each time, so that its peak is of this backup alone. */
async function backUpOnce(lab: BenchLab, vm: string, transport: string): Promise<Peaks> {
  const everthaw = await LabEverthaw.create(lab.vcenter, await lab.temporal());
  try {
    await everthaw.startWorker();
    const to = join(everthaw.backups, vm);
    const peaks = await peaksDuring(everthaw.workerPid, 'worker', async () => {
      const backup = await everthaw.everthaw('backup', vm, '--to', to, '--transport', transport);
      if (backup.code !== 0) throw new Error(backup.stderr);
    });
    console.log(`  ${vm}: ${[...peaks].map(([name, peak]) => `${name} ${peak.toFixed(0)} MiB`).join(', ')}`);
    return peaks;
  } finally {
    await everthaw.remove();
  }
}

function rowsOf(what: string, seen: readonly Peaks[]): readonly Row[] {
  const of = (program: string) => spreadOf(seen.flatMap((peaks) => peaks.get(program) ?? []));
  const worker = of('worker');
  const children = new Set(seen.flatMap((peaks) => [...peaks.keys()]).filter(isWorthTelling));
  return [
    {
      what: `worker's memory, ${what}`,
      ours: worker,
      unit: 'MiB',
      wanted: atMost(MOST_MIB, 'MiB', worker.maximum),
    },
    ...[...children].map((name): Row => ({ what: `  ${name}`, ours: of(name), unit: 'MiB' })),
  ];
}

/** setpriv is what a program is before it begins. */
function isWorthTelling(program: string): boolean {
  return !['worker', 'setpriv', ''].includes(program);
}

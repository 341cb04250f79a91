import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { formatBytes } from '../src/domain/format.js';
import { LabEverthaw } from '../test/lab/everthaw.js';
import { HUGE, LARGE, type GuestSizes } from '../test/lab/guestMemory.js';
import { run } from '../test/lab/run.js';
import type { BenchLab } from './benchLab.js';
import { atLeast, type Figure, type Row } from './figure.js';
import { withGuest } from './guestBench.js';
import { inPairs, seconds } from './pairs.js';

const MIB = 1024 * 1024;

/** A whole backup as a user starts it, from the command's start to its end, against virtnbdbackup's. */
export const guestRun: Figure = {
  name: 'guest-run',
  title: 'a whole backup of a running guest, against virtnbdbackup',
  async measure(lab: BenchLab, runs: number): Promise<readonly Row[]> {
    const rows: Row[] = [];
    for (const sizes of [LARGE, HUGE]) rows.push(await measureGuest(lab, runs, sizes));
    return rows;
  },
};

function measureGuest(lab: BenchLab, runs: number, sizes: GuestSizes): Promise<Row> {
  return withGuest(async ({ libvirt, guest, directory }) => {
    const everthaw = await LabEverthaw.create(libvirt, await lab.temporal());
    try {
      await everthaw.startWorker();
      const ours = join(everthaw.backups, 'ours');
      const theirs = join(directory, 'theirs');
      const backUp = async () => {
        await rm(ours, { recursive: true, force: true });
        return seconds(async () => {
          const { code, stderr } = await everthaw.everthaw('backup', guest.name, '--to', ours);
          if (code !== 0) throw new Error(stderr);
        });
      };
      const backUpByReference = async () => {
        await rm(theirs, { recursive: true, force: true });
        const args = ['-U', libvirt.uri, '-d', guest.name, '-l', 'full', '-o', theirs];
        // Ours are on the disk when it says so: theirs are written out too.
        return seconds(async () => {
          await run('virtnbdbackup', args);
          await run('sync', ['-f', theirs]);
        });
      };
      // A worker's first run loads and compiles what its later ones have: one of each side is not measured.
      await backUp();
      await backUpByReference();
      const pairs = await inPairs(runs, backUp, backUpByReference);
      return {
        what: `whole backup of a guest, ${formatBytes(sizes.dataMiB * MIB)}`,
        ...pairs,
        unit: 's',
        wanted: atLeast(2, pairs.ratio),
      };
    } finally {
      await everthaw.remove();
    }
  }, sizes);
}

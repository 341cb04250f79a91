import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StagedExport } from '../../src/domain/runs.js';
import { LabGuest } from '../lab/guest.js';
import { GuestLab } from '../lab/guestLab.js';
import { countRecords } from '../lab/records.js';
import { labTemporal } from '../lab/temporal.js';

const IS_ROOT = process.getuid?.() === 0;

describe.skipIf(!IS_ROOT)(
  `volumes of a running guest${IS_ROOT ? '' : ' (SKIPPED: mounting needs root)'}`,
  () => {
    let lab: GuestLab;

    beforeAll(async () => {
      lab = await GuestLab.start(labTemporal());
    }, 300_000);

    afterAll(async () => {
      await lab.stop();
    });

    /** Records that can be read on each mounted volume. */
    async function recordsIn({ volumes = [] }: StagedExport): Promise<readonly number[]> {
      return Promise.all(
        volumes.map(async ({ directory }) =>
          countRecords(await readFile(join(directory, 'records')), directory),
        ),
      );
    }

    it('are one point in time that stands still while the guest writes on, whoever is killed', async () => {
      const guest = await LabGuest.start(lab.libvirt, { name: 'files' });
      await guest.startWriter(20);
      const place = join(lab.everthaw.directory, 'files');
      const { code, stdout } = await lab.everthaw.everthaw('mount', 'files', '--to', place, '--json');
      expect(code).toBe(0);
      const mounted = JSON.parse(stdout) as StagedExport;
      const [first = 0, second] = await recordsIn(mounted);
      expect(first).toBeGreaterThan(0);
      // Paused by its script, the application has written both or neither.
      expect(second).toBe(first);
      expect(await guest.isWriting()).toBe(true);
      await lab.everthaw.killWorker();
      await lab.everthaw.startWorker();
      expect(await recordsIn(mounted)).toEqual([first, first]);
      expect(await lab.everthaw.everthaw('unmount', place)).toMatchObject({ code: 0, stderr: '' });
      expect(await guest.isWriting()).toBe(true);
      await guest.stopWriter();
      expect(await lab.leftovers(guest)).toEqual([]);
      await guest.destroy();
    });
  },
);

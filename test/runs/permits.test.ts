import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PERMITS_WORKFLOW_ID, PHASE_QUERY } from '../../src/domain/names.js';
import { makeDisk } from '../lab/disks.js';
import { eventually, Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import type { Ran } from '../lab/run.js';
import { labTemporal } from '../lab/temporal.js';

const VMS = ['first', 'second', 'third'] as const;

let lab: Lab;
let count = 0;

beforeAll(async () => {
  const disk = await makeDisk('permits', 64, 24);
  lab = await Lab.start(
    VMS.map((name) => ({ name, disks: [{ ...disk, unit: 0 }] })),
    labTemporal(),
    [],
    { EVERTHAW_MOST_SNAPSHOTS_PER_DATASTORE: '1' },
  );
}, 120_000);

afterEach(async () => {
  await lab.vcenter.control('DELETE', '/traffic');
  expect(await leftovers(lab)).toEqual([]);
});

afterAll(() => lab.stop());

const root = (): string => lab.everthaw.backups;

function backup(vm: string): Promise<Ran> {
  return lab.everthaw.everthaw('backup', vm, '--to', join(root(), `${vm}-${++count}`));
}

/** A run whose transfer does not end, and which therefore has its snapshot open. */
const held = (vm: string) => lab.holdDownload('/nfc', root(), () => backup(vm));

const waits = (vm: string) =>
  eventually(async () => (await lab.phaseOf(vm).catch(() => '')).startsWith('waiting for its turn'));

const letGo = () => lab.vcenter.control('DELETE', '/traffic');

const snapshotsOf = async (vm: string): Promise<number> => (await lab.vcenter.vm(vm)).snapshots?.length ?? 0;

describe('of snapshots on one datastore', () => {
  it('only so many are open at once: the others wait in order, without one', async () => {
    const { ran } = await held('first');
    const others = [backup('second')];
    await waits('second');
    others.push(backup('third'));
    await waits('third');
    expect(await Promise.all(VMS.map(snapshotsOf))).toEqual([1, 0, 0]);
    expect(await lab.phaseOf('second')).toMatch(
      /\(1 of datastore \S+, 16 of its host, 16 of proxy proxy-\w+\)/,
    );
    const page = await lab.client.workflow.getHandle(PERMITS_WORKFLOW_ID).query<string>(PHASE_QUERY);
    expect(page).toMatch(/^\d+ snapshots may be open, \d+ runs wait$/);
    await letGo();
    for (const each of [await ran, ...(await Promise.all(others))]) expect(each).toMatchObject({ code: 0 });
    const [second, third] = await Promise.all(['second', 'third'].map(startedSnapshot));
    expect(second).toBeLessThan(third ?? 0);
  });

  it('one that waits can be cancelled, and who came after it goes on', async () => {
    const { ran } = await held('first');
    const second = backup('second');
    await waits('second');
    expect(await lab.everthaw.everthaw('cancel', 'second')).toMatchObject({ code: 0 });
    expect((await second).stderr).toContain('cancelled');
    const third = backup('third');
    await waits('third');
    await letGo();
    expect(await Promise.all([ran, third])).toMatchObject([{ code: 0 }, { code: 0 }]);
  });

  it('a run that was terminated keeps nobody waiting', async () => {
    const { ran } = await held('first');
    const second = backup('second');
    await waits('second');
    await lab.client.workflow.getHandle(await lab.runOf('first')).terminate();
    await letGo();
    expect((await ran).code).not.toBe(0);
    expect(await second).toMatchObject({ code: 0 });
    expect(await lab.everthaw.everthaw('cleanup', '-y')).toMatchObject({ code: 0 });
  });

  it('they are asked for again where nobody knows of those who wait any more', async () => {
    const { ran } = await held('first');
    const second = backup('second');
    await waits('second');
    await lab.client.workflow.getHandle(PERMITS_WORKFLOW_ID).terminate();
    // Whoever holds one is not known any more, either.
    await eventually(async () => (await snapshotsOf('second')) === 1);
    await letGo();
    expect(await Promise.all([ran, second])).toMatchObject([{ code: 0 }, { code: 0 }]);
  });
});

/** When a VM's run began to take its snapshot. */
async function startedSnapshot(vm: string): Promise<number> {
  const { events } = await lab.client.workflow.getHandle(await lab.runOf(vm)).fetchHistory();
  const scheduled = events?.find(
    ({ activityTaskScheduledEventAttributes }) =>
      activityTaskScheduledEventAttributes?.activityType?.name === 'snapshot',
  );
  return Number(scheduled?.eventTime?.seconds ?? 0) * 1000 + (scheduled?.eventTime?.nanos ?? 0) / 1e6;
}

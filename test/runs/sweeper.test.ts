import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sweepScheduleId } from '../../src/domain/names.js';
import type { SweepResult } from '../../src/domain/runs.js';
import { makeDisk } from '../lab/disks.js';
import { eventually, Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import { labTemporal } from '../lab/temporal.js';

const VMS = ['web', 'db', 'mail'];

let lab: Lab;
let original: string;

beforeAll(async () => {
  const disk = await makeDisk('system', 256, 24);
  lab = await Lab.start(
    VMS.map((name) => ({ name, disks: [{ ...disk, unit: 0 }], powerOn: false })),
    labTemporal(),
  );
  original = await lab.diskOf('web');
}, 120_000);

afterAll(async () => {
  await sweepEvery(0);
  await lab.stop();
});

/** A worker that has its proxy swept so often. */
async function sweepEvery(seconds: number, settings: NodeJS.ProcessEnv = {}): Promise<void> {
  await lab.everthaw.endWorker();
  Object.assign(lab.everthaw.environment, { EVERTHAW_SWEEP_EVERY_S: String(seconds), ...settings });
  await lab.everthaw.startWorker();
}

/** Sweeps of this proxy that are over, the latest first. */
async function sweeps(): Promise<readonly string[]> {
  const proxy = lab.everthaw.environment['EVERTHAW_PROXY'] ?? '';
  const ids: string[] = [];
  const query = `EverthawKind = "sweep" AND EverthawState = "succeeded" AND WorkflowId STARTS_WITH "${sweepScheduleId(proxy)}"`;
  for await (const { workflowId } of lab.client.workflow.list({ query })) ids.push(workflowId);
  return ids;
}

function schedule() {
  return lab.client.schedule.getHandle(sweepScheduleId(lab.everthaw.environment['EVERTHAW_PROXY'] ?? ''));
}

describe('the sweeper', () => {
  it('never touches what living backups and restores hold', async () => {
    await sweepEvery(1);
    let isDone = false;
    const cleaning = (async () => {
      while (!isDone) {
        const { code, stdout } = await lab.everthaw.everthaw('cleanup', '-y');
        expect({ code, stdout }).toMatchObject({ code: 0 });
      }
    })();
    for (const transport of ['nbdssl:lease', 'nbdssl:datastore']) {
      const backups = VMS.map((vm) => lab.backup(vm, '--transport', transport));
      for (const backup of await Promise.all(backups)) expect(backup).toMatchObject({ code: 0, stderr: '' });
      const restores = VMS.map((vm) => lab.restore(lab.directoryOf(vm), '--overwrite'));
      for (const restore of await Promise.all(restores))
        expect(restore).toMatchObject({ code: 0, stderr: '' });
      for (const vm of VMS) {
        expect(await lab.diskOf(vm)).toBe(original);
        await rm(lab.directoryOf(vm), { recursive: true });
      }
    }
    isDone = true;
    await cleaning;
    expect((await sweeps()).length).toBeGreaterThan(3);
    await sweepEvery(0);
    expect(await leftovers(lab)).toEqual([]);
  }, 300_000);

  it('lets go by itself of what a terminated run left, and its run tells what and why', async () => {
    const root = lab.everthaw.backups;
    const { ran } = await lab.holdDownload('/nfc', root, () => lab.backup('web'));
    await lab.client.workflow.getHandle(await lab.runOf('web')).terminate('the test');
    await ran;
    await lab.vcenter.heal();
    const before = await sweeps();
    await sweepEvery(1);
    await eventually(async () => ((await lab.vcenter.vm('web')).snapshots ?? []).length === 0);
    await eventually(async () => (await sweeps()).length > before.length + 1);
    await sweepEvery(0);
    expect(await leftovers(lab)).toEqual([]);
    const told: string[] = [];
    for (const id of await sweeps()) {
      const handle = lab.client.workflow.getHandle<() => Promise<SweepResult>>(id);
      expect(await (await handle.describe()).staticSummary()).toMatch(/^sweep by proxy /);
      told.push(...(await handle.result()).letGo);
    }
    expect(told.join('\n')).toMatch(/let go: snapshot .* \(its run .* is closed \(terminated\)\)/);
  });

  it('is paused, triggered and set anew by its schedule, which skips what would overlap', async () => {
    await sweepEvery(3600);
    await schedule().pause('maintenance');
    await sweepEvery(7200);
    const { spec, state, policies } = await schedule().describe();
    expect(state).toMatchObject({ paused: true, note: 'maintenance' });
    expect(spec.intervals?.map(({ every }) => every)).toEqual([7_200_000]);
    expect(policies.overlap).toBe('SKIP');
    const before = (await sweeps()).length;
    await schedule().trigger();
    await eventually(async () => (await sweeps()).length > before);
    await sweepEvery(0);
    await expect(schedule().describe()).rejects.toThrow();
  });

  it('shows Prometheus what is left over, and how old the oldest debt is', async () => {
    const address = '127.0.0.1:9464';
    const { ran } = await lab.holdDownload('/nfc', lab.everthaw.backups, () => lab.backup('web'));
    await lab.client.workflow.getHandle(await lab.runOf('web')).terminate('the test');
    await ran;
    await lab.vcenter.heal();
    await lab.vcenter.govc('snapshot.create', '-vm', 'db', '-m=false', '_VCB_BACKUP_');
    await lab.vcenter.fault({ method: 'RemoveSnapshot_Task', fault: 'TaskInProgress', count: 1000 });
    await sweepEvery(1, { EVERTHAW_METRICS_ADDRESS: address });
    const value = async (metric: string, tag = ''): Promise<number> => {
      const text = await (await fetch(`http://${address}/metrics`)).text();
      const line = text.split('\n').find((each) => each.startsWith(`${metric}{`) && each.includes(tag));
      return Number(line?.split(' ').at(-1));
    };
    await eventually(async () => (await value('everthaw_leftovers', 'kind="snapshot"')) === 2);
    await eventually(async () => (await value('everthaw_oldest_cleanup_debt_seconds')) > 1);
    await lab.vcenter.heal();
    await eventually(async () => (await value('everthaw_leftovers', 'kind="snapshot"')) === 1);
    await eventually(async () => (await value('everthaw_oldest_cleanup_debt_seconds')) === 0);
    await lab.vcenter.govc('snapshot.remove', '-vm', 'db', '*');
    await eventually(async () => (await value('everthaw_leftovers', 'kind="snapshot"')) === 0);
    await sweepEvery(0);
    expect(await leftovers(lab)).toEqual([]);
  });
});

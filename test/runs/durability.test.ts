import { join } from 'node:path';
import { cp, readFile } from 'node:fs/promises';
import type { Client } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../src/system/until.js';
import { vmWorkflowId } from '../../src/domain/names.js';
import type { BackupResult, Pulse } from '../../src/domain/runs.js';
import { isCurrentAttempt } from '../../src/temporal/currentAttempt.js';
import { connectClient } from '../../src/temporal/client.js';
import { makeDisk, sha256, type LabDisk } from '../lab/disks.js';
import { disguise } from '../lab/disguise.js';
import { LabEverthaw } from '../lab/everthaw.js';
import { leftovers } from '../lab/leftovers.js';
import { run } from '../lab/run.js';
import { LabVcenter } from '../lab/vcenter.js';
import { labTemporal } from '../lab/temporal.js';

const MIB = 1024 * 1024;
const PATIENCE_MS = 60_000;

let disk: LabDisk;
let vcenter: LabVcenter;
let everthaw: LabEverthaw;
let client: Client;

beforeAll(async () => {
  disk = await makeDisk('large', 320, 64);
  vcenter = await LabVcenter.start([{ name: 'web', disks: [{ ...disk, unit: 0 }] }]);
  client = await connectClient(labTemporal());
}, 120_000);

afterAll(async () => {
  await client.connection.close();
  await vcenter.stop();
});

beforeEach(async () => {
  everthaw = await LabEverthaw.create(vcenter, labTemporal());
  await everthaw.startWorker();
});

afterEach(async () => {
  await vcenter.heal();
  await everthaw.remove();
});

async function workflowId(name = 'web'): Promise<string> {
  return vmWorkflowId(vcenter.ready.instanceUuid, (await vcenter.vm(name)).instanceUuid);
}

/** What the living step of a run told last, with its name. */
async function step(
  id: string,
): Promise<{ type: string; attempt: number; pulse: Pulse | undefined } | undefined> {
  const { raw } = await client.workflow.getHandle(id).describe();
  const [pending] = raw.pendingActivities ?? [];
  if (pending == null) return undefined;
  const payload = pending.heartbeatDetails?.payloads?.[0];
  return {
    type: pending.activityType?.name ?? '',
    attempt: pending.attempt ?? 0,
    pulse: payload == null ? undefined : defaultPayloadConverter.fromPayload<Pulse>(payload),
  };
}

/** Names of the steps of a run that are under way. */
async function steps(id: string): Promise<readonly string[]> {
  const { raw } = await client.workflow.getHandle(id).describe();
  return (raw.pendingActivities ?? []).map((pending) => pending.activityType?.name ?? '');
}

function waitFor(condition: () => Promise<boolean>): Promise<void> {
  return until(condition, AbortSignal.timeout(PATIENCE_MS));
}

async function start(directory: string, ...flags: readonly string[]): Promise<string> {
  const started = await everthaw.everthaw('backup', 'web', '--to', directory, '--detach', ...flags);
  expect(started).toMatchObject({ code: 0, stderr: '' });
  return workflowId();
}

async function expectNothingHeld(): Promise<void> {
  for (const vm of await vcenter.vms()) expect(vm.snapshots ?? []).toEqual([]);
  expect(await vcenter.get('/leases')).toEqual([]);
  const sessions = await vcenter.get<{ userAgent: string }[]>('/sessions');
  expect(sessions.filter(({ userAgent }) => userAgent.startsWith('everthaw'))).toEqual([]);
}

async function expectSameBytes(backup: string): Promise<void> {
  const raw = join(everthaw.directory, 'converted.raw');
  await run('qemu-img', ['convert', '-O', 'raw', join(backup, 'scsi0-0.vmdk'), raw]);
  expect(await sha256(raw)).toBe(await sha256(disk.raw));
}

describe('a run whose worker is killed', () => {
  for (const where of ['here', 'at another machine of the same proxy'] as const)
    it(`goes on from its checkpoint ${where} where the transport has random access, and uses up none of MAX_RETRIES`, () =>
      goesOnFromItsCheckpoint(where === 'here' ? [] : disguise(everthaw.directory, 'another machine')));

  async function goesOnFromItsCheckpoint(disguised: readonly string[] | Promise<readonly string[]>) {
    const directory = join(everthaw.backups, 'web-fullVM');
    await vcenter.control('POST', '/throttle', { path: '/folder', bytesPerSecond: 100 * MIB });
    await vcenter.control('DELETE', '/requests');
    const id = await start(directory, '--transport', 'nbdssl:datastore', '--retries', '0');
    await waitFor(async () => ((await step(id))?.pulse?.checkpoint?.durableBytes ?? 0) >= 128 * MIB);
    await everthaw.killWorker();
    await vcenter.heal();
    await everthaw.startWorker(await disguised);

    const result = (await client.workflow.getHandle(id).result()) as BackupResult;
    expect(result.state).toBe('succeeded');
    // What was fdatasynced was not read again.
    expect(result.disks[0]?.bytes).toBeLessThanOrEqual((320 - 128) * MIB);
    await expectSameBytes(directory);
    await expectNothingHeld();
  }

  it('goes on in the next worker when it was told to end', async () => {
    const directory = join(everthaw.backups, 'web-fullVM');
    await vcenter.control('POST', '/throttle', { path: '/folder', bytesPerSecond: 100 * MIB });
    const id = await start(directory, '--transport', 'nbdssl:datastore', '--retries', '0');
    await waitFor(async () => ((await step(id))?.pulse?.checkpoint?.durableBytes ?? 0) > 0);
    await everthaw.endWorker();
    const endedAt = Date.now();
    // Its step was given back, and does not have to be missed first.
    await waitFor(async () => ((await step(id))?.attempt ?? 0) === 2);
    expect(Date.now() - endedAt).toBeLessThan(5000);
    await vcenter.heal();
    await everthaw.startWorker();

    expect(await client.workflow.getHandle(id).result()).toMatchObject({ state: 'succeeded' });
    await expectSameBytes(directory);
    await expectNothingHeld();
  });

  it('reads a stream again from the start, by a new lease', async () => {
    const directory = join(everthaw.backups, 'web-fullVM');
    await vcenter.control('POST', '/throttle', { path: '/nfc', bytesPerSecond: 20 * MIB });
    const id = await start(directory);
    await waitFor(async () => ((await step(id))?.pulse?.progress?.bytes ?? 0) > 4 * MIB);
    await everthaw.killWorker();
    await vcenter.heal();
    await everthaw.startWorker();

    expect(await client.workflow.getHandle(id).result()).toMatchObject({ state: 'succeeded' });
    await expectSameBytes(directory);
    await expectNothingHeld();
  });

  it('makes one snapshot, not two, when it is killed while the snapshot is taken', async () => {
    const directory = join(everthaw.backups, 'web-fullVM');
    await vcenter.fault({ method: 'CreateSnapshot_Task', delayMs: 1500, count: 1, inTask: true });
    await vcenter.control('DELETE', '/requests');
    const id = await start(directory);
    await waitFor(
      async () =>
        ((await vcenter.vm('web')).snapshots ?? []).length === 1 ||
        (await calls('CreateSnapshot_Task')) === 1,
    );
    await everthaw.killWorker();
    await everthaw.startWorker();

    expect(await client.workflow.getHandle(id).result()).toMatchObject({ state: 'succeeded' });
    expect(await calls('CreateSnapshot_Task')).toBe(1);
    await expectNothingHeld();
  });

  it('lets go of everything when it was cancelled while no worker lived', async () => {
    const directory = join(everthaw.backups, 'web-fullVM');
    await vcenter.control('POST', '/throttle', { path: '/nfc', bytesPerSecond: 10 * MIB });
    const id = await start(directory);
    await waitFor(async () => ((await step(id))?.pulse?.progress?.bytes ?? 0) > MIB);
    await everthaw.killWorker();
    await client.workflow.getHandle(id).cancel();
    await everthaw.startWorker();

    await expect(client.workflow.getHandle(id).result()).rejects.toThrow();
    expect((await client.workflow.getHandle(id).describe()).status.name).toBe('CANCELLED');
    await expectNothingHeld();
    const left = await run('ls', ['-A', everthaw.backups]);
    expect(left.stdout).toBe('');
  });

  it('has its snapshot removed by another proxy of the host when its own never comes back', async () => {
    const directory = join(everthaw.backups, 'web-fullVM');
    await vcenter.control('POST', '/throttle', { path: '/folder', bytesPerSecond: 10 * MIB });
    const id = await start(directory, '--transport', 'nbdssl:datastore');
    await waitFor(async () => ((await step(id))?.pulse?.progress?.bytes ?? 0) > MIB);
    await everthaw.killWorker();
    await client.workflow.getHandle(id).cancel();
    const state = join(everthaw.directory, 'another-state');
    await cp(join(everthaw.directory, 'state', 'hosts'), join(state, 'hosts'), { recursive: true });
    const other = everthaw.withEnvironment({
      ...everthaw.environment,
      EVERTHAW_PROXY: 'another-proxy',
      EVERTHAW_STATE: state,
    });
    await other.startWorker();

    await waitFor(async () => ((await vcenter.vm('web')).snapshots ?? []).length === 0);
    // Its part is done when its login session has ended too.
    await waitFor(async () => !(await steps(id)).includes('commitSnapshot'));
    expect((await client.workflow.getHandle(id).describe()).status.name).toBe('RUNNING');
    await other.endWorker();
    await everthaw.startWorker();
    await expect(client.workflow.getHandle(id).result()).rejects.toThrow();
    await expectNothingHeld();
  });

  it('has one current attempt of a step: neither an earlier nor a later one is it, nor any when the run has ended', async () => {
    await vcenter.control('POST', '/throttle', { path: '/folder', bytesPerSecond: 20 * MIB });
    const id = await start(join(everthaw.backups, 'web-fullVM'), '--transport', 'nbdssl:datastore');
    await waitFor(async () => ((await step(id))?.pulse?.progress?.bytes ?? 0) > 0);
    const { raw, runId } = await client.workflow.getHandle(id).describe();
    const { activityId, attempt } = raw.pendingActivities?.[0] ?? {};
    const step1 = { workflowExecution: { workflowId: id, runId }, activityId: activityId ?? '' };
    const isCurrent = (number: number) => isCurrentAttempt(client, { ...step1, attempt: number });
    expect(attempt).toBe(1);
    expect([await isCurrent(0), await isCurrent(1), await isCurrent(2)]).toEqual([false, true, false]);
    await vcenter.heal();
    await client.workflow.getHandle(id).result();
    expect(await isCurrent(1)).toBe(false);
  });

  it('goes on with a restore that made its directory, and did not come to write there whose it is', async () => {
    const directory = join(everthaw.backups, 'web-fullVM');
    const backedUp = await everthaw.everthaw(
      ...(['backup', 'web', '--to', directory] as const),
      ...(['--transport', 'nbdssl:datastore'] as const),
    );
    expect(backedUp).toMatchObject({ code: 0, stderr: '' });
    const id = await workflowId();
    await vcenter.govc('vm.destroy', 'web');
    const made = { method: 'MakeDirectory', fault: 'SystemError', afterEffect: true, delayMs: 600_000 };
    await vcenter.fault(made);
    expect(await everthaw.everthaw('restore', directory, '--detach')).toMatchObject({ code: 0, stderr: '' });
    await waitFor(async () =>
      (await leftovers({ vcenter, everthaw })).some((each) => each.includes('uploaded')),
    );
    await everthaw.killWorker();
    await vcenter.heal();
    await everthaw.startWorker();

    expect(await client.workflow.getHandle(id).result()).toMatchObject({ state: 'succeeded', name: 'web' });
    expect((await vcenter.vms()).map(({ name }) => name)).toEqual(['web']);
    expect(await sha256(await vcenter.diskFile('web'))).toBe(await sha256(disk.raw));
    await expectNothingHeld();
  });

  it('restores one VM, not two, when it is killed in the upload', async () => {
    const directory = join(everthaw.backups, 'web-fullVM');
    const backedUp = await everthaw.everthaw('backup', 'web', '--to', directory);
    expect(backedUp).toMatchObject({ code: 0, stderr: '' });
    const id = await workflowId();
    await vcenter.govc('vm.destroy', 'web');
    await vcenter.control('POST', '/throttle', { path: '/nfc', bytesPerSecond: 10 * MIB });
    expect(await everthaw.everthaw('restore', directory, '--detach')).toMatchObject({ code: 0, stderr: '' });
    await waitFor(async () => (await vcenter.get<unknown[]>('/leases')).length === 1);
    await everthaw.killWorker();
    await vcenter.heal();
    await everthaw.startWorker();

    expect(await client.workflow.getHandle(id).result()).toMatchObject({ state: 'succeeded', name: 'web' });
    expect((await vcenter.vms()).map(({ name }) => name)).toEqual(['web']);
    const restored = await vcenter.vm('web');
    expect(Object.keys(restored.extraConfig ?? {})).not.toContain('everthaw.restoring');
    const flat = (restored.disks?.[0]?.path ?? '')
      .replace(/^\[[^\]]+\] /, '')
      .replace(/\.vmdk$/, '-flat.vmdk');
    const file = join(everthaw.directory, 'read-back.raw');
    await vcenter.govc('datastore.download', flat, file);
    expect(await sha256(file)).toBe(await sha256(disk.raw));
    await expectNothingHeld();
  });
});

describe('a run whose snapshot gets too old', () => {
  it('gives up, says so, and commits the snapshot', async () => {
    const directory = join(everthaw.backups, 'web-fullVM');
    await vcenter.control('POST', '/throttle', { path: '/nfc', bytesPerSecond: MIB });
    const hasty = everthaw.withEnvironment({ ...everthaw.environment, EVERTHAW_MAXIMUM_SNAPSHOT_AGE_S: '2' });
    const ran = await hasty.everthaw('backup', 'web', '--to', directory);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(
      /^everthaw: back up "web": the snapshot reached its maximum age of 2.0 s.* Hint: .*\n$/,
    );
    await expectNothingHeld();
  });
});

describe('the daemon', () => {
  it('is found again by its lock, survives the death of its server and worker, and carries a run that outlives its terminal', async () => {
    const environment = { ...everthaw.environment };
    delete environment['TEMPORAL_ADDRESS'];
    environment['EVERTHAW_STATE'] = join(everthaw.directory, 'daemon-state');
    const own = everthaw.withEnvironment(environment);
    try {
      const directory = join(everthaw.backups, 'by-daemon');
      await vcenter.control('POST', '/throttle', { path: '/nfc', bytesPerSecond: 20 * MIB });
      expect(await own.everthaw('backup', 'web', '--to', directory, '--detach')).toMatchObject({
        code: 0,
        stderr: '',
      });
      const state = async () =>
        JSON.parse(
          await readFile(join(everthaw.directory, 'daemon-state', 'daemon', 'daemon.json'), 'utf8'),
        ) as {
          process: { pid: number };
          address: string;
        };
      const before = await state();
      await run('pkill', ['-KILL', '-P', String(before.process.pid)]);
      await vcenter.heal();
      const watched = await own.everthaw('watch', await workflowId(), '--json');
      expect(watched).toMatchObject({ code: 0, stderr: '' });
      expect((await state()).process.pid).toBe(before.process.pid);
      await expectSameBytes(directory);
      await expectNothingHeld();
    } finally {
      await run(process.execPath, [own.program, 'down'], { env: environment });
    }
  });
});

async function calls(method: string): Promise<number> {
  const { methods } = await vcenter.get<{ methods: Record<string, { count: number }> }>('/requests');
  return methods[method]?.count ?? 0;
}

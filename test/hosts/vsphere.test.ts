import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Host } from '../../src/hosts/host.js';
import { HostPool } from '../../src/hosts/hostPool.js';
import { HostRegister } from '../../src/hosts/register.js';
import { Secret } from '../../src/hosts/secret.js';
import { sessionFiles } from '../../src/hosts/sessionFiles.js';
import type { SessionStore } from '../../src/hosts/vsphere/session.js';
import { makeDisk } from '../lab/disks.js';
import { LAB_PASSWORD, LabVcenter } from '../lab/vcenter.js';
import { describeHost } from './conformance.js';
import { addressOf, openVsphere, sessionsOn } from './vsphereDriver.js';

let vcenter: LabVcenter;

beforeAll(async () => {
  const disk = await makeDisk('data', 64, 8);
  vcenter = await LabVcenter.start([{ name: 'web', disks: [{ ...disk, unit: 0 }], ip: '10.0.0.7' }]);
});

afterAll(() => vcenter.stop());

function open(): Promise<Host> {
  return openVsphere(vcenter);
}

describeHost('vSphere', { nestsSnapshots: true }, () => ({
  open,
  vmName: 'web',
  snapshotsSeen: async () => (await vcenter.vm('web')).snapshots?.length ?? 0,
  sessionsSeen: () => sessionsOn(vcenter),
}));

describe('the vSphere driver beyond the contract', () => {
  it('finds a VM by the address that its guest tools tell', async () => {
    const host = await open();
    expect((await host.findVms({ kind: 'ipaddr', value: '10.0.0.7' })).map(({ name }) => name)).toEqual([
      'web',
    ]);
    await host.logout();
  });

  it('takes a VM whose disks need consolidation for one whose snapshot is not gone', async () => {
    const host = await open();
    const [vm] = await host.findVms({ kind: 'name', value: 'web' });
    const instanceUuid = vm?.instanceUuid ?? '';
    await vcenter.control('POST', '/vms/web/consolidation', { needed: true });
    expect(await host.snapshotAbsence(instanceUuid, () => false)).toEqual({
      state: 'present',
      why: 'its disks need consolidation',
    });
    await host.commitSnapshot(instanceUuid, 'snapshot-that-is-gone');
    expect(await host.snapshotAbsence(instanceUuid, () => false)).toEqual({ state: 'gone' });
    await host.logout();
  });

  it('logs in again when it reads a file of a datastore by a session that the host has ended', async () => {
    const host = await open();
    const place = { storage: 'LocalDS_0', ids: { datacenter: 'DC0', datastore: 'LocalDS_0' } };
    await host.now();
    await vcenter.control('POST', '/sessions/expire');
    expect(await host.readText(place, 'web/web.vmx')).toContain('displayName');
    await host.logout();
  });

  describe('shared by two processes', () => {
    let store: SessionStore;
    let worker: Host;
    let keeper: Host;

    beforeEach(async () => {
      store = sessionFiles(join(vcenter.directory, 'sessions', 'run'));
      worker = await openVsphere(vcenter, store);
      keeper = await openVsphere(vcenter, store);
    });

    it('stays one session when the host ends it and one of them sees it before the other', async () => {
      await vcenter.control('POST', '/sessions/expire');
      await worker.now();
      await keeper.now();
      await worker.now();
      expect(await sessionsOn(vcenter)).toBe(1);
      await keeper.logout();
      expect(await sessionsOn(vcenter)).toBe(0);
    });

    it('leaves no session though the host ended it and both logged in at once', async () => {
      for (let round = 0; round < 5; round++) {
        await vcenter.control('POST', '/sessions/expire');
        await Promise.all([worker.now(), keeper.now()]);
      }
      await worker.logout();
      expect(await sessionsOn(vcenter)).toBe(0);
    });

    it('is ended where it cannot be asked whether it lives, and is not left behind', async () => {
      await vcenter.fault({ method: 'RetrievePropertiesEx', fault: 'RuntimeFault', count: 1 });
      const next = await openVsphere(vcenter, store);
      await next.now();
      await next.logout();
      expect(await sessionsOn(vcenter)).toBe(0);
    });

    it('leaves none whose login was answered, and then the process died before it noted that', async () => {
      const noted = await sessionsOn(vcenter);
      const dying = {
        ...store,
        load: () => Promise.resolve([]),
        keep: () => {
          throw new Error('killed');
        },
      };
      await expect(openVsphere(vcenter, dying)).rejects.toThrow('killed');
      expect(await sessionsOn(vcenter)).toBe(noted + 1);
      expect(await store.begun()).toHaveLength(1);
      await keeper.logout();
      expect(await sessionsOn(vcenter)).toBe(0);
      expect(await store.begun()).toEqual([]);
    });

    it('ends no session but those that its own logins came to', async () => {
      const foreign = await openVsphere(vcenter);
      store.begin();
      await keeper.logout();
      await foreign.now();
      expect(await sessionsOn(vcenter)).toBe(1);
      await foreign.logout();
    });

    it('ends with the session that is kept where the host has ended its own', async () => {
      await vcenter.control('POST', '/sessions/expire');
      await keeper.now();
      await worker.logout();
      expect(await sessionsOn(vcenter)).toBe(0);
      expect(await store.load()).toEqual([]);
    });
  });

  it.each([
    ['by its mark', LAB_PASSWORD, 0],
    ['nowhere where the password is not right any more, and that is no reason to try for ever', 'wrong', 1],
  ])('a login that was cut off is looked for %s', async (_where, password, left) => {
    const directory = join(vcenter.directory, `pool ${left}`);
    const register = new HostRegister(join(directory, 'hosts'));
    const uuid = vcenter.ready.instanceUuid;
    await register.lend({ uuid, ...addressOf(vcenter) }, new Secret(password), 'loan');
    const store = sessionFiles(join(directory, 'sessions', uuid, 'run'));
    const mark = store.begin();
    const cutOff = { ...store, begin: () => mark, keep: () => undefined };
    await openVsphere(vcenter, cutOff);
    const pool = new HostPool(register, directory);
    expect(await pool.hasSession(uuid, 'run')).toBe(true);
    await pool.end(uuid, 'run');
    expect(await pool.hasSession(uuid, 'run')).toBe(false);
    expect(await pool.sessions()).toEqual([]);
    expect(await sessionsOn(vcenter)).toBe(left);
    await vcenter.control('POST', '/sessions/expire');
  });

  it('waits for a snapshot task that its dead predecessor started, before it lists', async () => {
    const host = await open();
    const other = await open();
    const [vm] = await host.findVms({ kind: 'name', value: 'web' });
    const instanceUuid = vm?.instanceUuid ?? '';
    await vcenter.fault({ method: 'CreateSnapshot_Task', delayMs: 700, count: 1, inTask: true });
    const taking = host.takeSnapshot(
      instanceUuid,
      { name: 'slow', description: '', runId: 'run', quiesce: false },
      new AbortController().signal,
    );
    while ((await vcenter.get<unknown[]>('/tasks')).length === 0);
    expect(await other.snapshotAbsence(instanceUuid, () => false)).toMatchObject({
      state: 'present',
      why: expect.stringContaining('task') as string,
    });
    const listed = await other.listSnapshots(instanceUuid);
    expect(listed.map(({ name }) => name)).toEqual(['slow']);
    await other.commitSnapshot(instanceUuid, (await taking).snapshot.id);
    await vcenter.heal();
    await host.logout();
    await other.logout();
  });
});

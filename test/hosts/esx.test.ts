import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDisk } from '../lab/disks.js';
import { LabVcenter } from '../lab/vcenter.js';
import { describeHost } from './conformance.js';
import { openVsphere, sessionsOn } from './vsphereDriver.js';

/** A standalone ESX host has no instance uuid. */
const ESX = ['--esx', '--instance-uuid', ''];

let esx: LabVcenter;

beforeAll(async () => {
  const disk = await makeDisk('data', 64, 8);
  esx = await LabVcenter.start([{ name: 'web', disks: [{ ...disk, unit: 0 }], ip: '10.0.0.7' }], ESX);
});

afterAll(() => esx.stop());

describeHost('standalone ESX', { nestsSnapshots: true }, () => ({
  open: () => openVsphere(esx),
  vmName: 'web',
  snapshotsSeen: async () => (await esx.vm('web')).snapshots?.length ?? 0,
  sessionsSeen: () => sessionsOn(esx),
}));

describe('a standalone ESX host', () => {
  it('is known by the uuid of its hardware, and has one folder for VMs and one resource pool', async () => {
    const host = await openVsphere(esx);
    expect(host.identity.uuid).toMatch(/^[0-9a-f-]{36}$/);
    const paths = async (kind: 'vmfolders' | 'resourcepools') =>
      (await host.listPlaces(kind)).map(({ path, id }) => ({ path, id }));
    expect(await paths('vmfolders')).toEqual([{ path: '/ha-datacenter/vm', id: 'ha-folder-vm' }]);
    expect(await paths('resourcepools')).toEqual([
      { path: expect.stringMatching(/^\/ha-datacenter\/host\/.*\/Resources$/) as string, id: 'ha-root-pool' },
    ]);
    expect(await host.findVms({ kind: 'ipaddr', value: '10.0.0.7' })).toMatchObject([{ name: 'web' }]);
    await host.logout();
  });
});

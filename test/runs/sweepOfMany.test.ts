import { afterAll, beforeAll, expect, it } from 'vitest';
import { mapAtMost } from '../../src/system/mapAtMost.js';
import { formatOwner } from '../../src/domain/owner.js';
import { clusterIdOf } from '../../src/temporal/client.js';
import { makeDisk } from '../lab/disks.js';
import { Lab } from '../lab/lab.js';
import { labTemporal } from '../lab/temporal.js';

const VMS = 100;

let lab: Lab;

beforeAll(async () => {
  const disk = await makeDisk('tiny', 16, 1);
  const vms = Array.from({ length: VMS }, (_, index) => ({
    name: `web${index}`,
    disks: [{ ...disk, unit: 0 }],
  }));
  lab = await Lab.start(vms, labTemporal());
}, 120_000);

afterAll(() => lab.stop());

it(`lists the snapshots of dead runs on ${VMS} VMs, and lets go of all of them`, async () => {
  const { namespace } = labTemporal();
  const cluster = await clusterIdOf(lab.client);
  const hostUuid = lab.vcenter.ready.instanceUuid;
  await mapAtMost(1, await lab.vcenter.vms(), async ({ name, instanceUuid }) => {
    const description = formatOwner({
      version: 1,
      cluster,
      namespace,
      workflowId: `vm/${hostUuid}/${instanceUuid}`,
      runId: crypto.randomUUID(),
      hostUuid,
      vmUuid: instanceUuid,
      proxy: 'another',
      machineId: 'm',
      bootId: 'b',
      takenAt: new Date().toISOString(),
    });
    await lab.vcenter.govc('snapshot.create', '-vm', name, '-m=false', '-d', description, '_VCB_BACKUP_');
  });
  const listing = await timed(() => lab.everthaw.everthaw('cleanup'));
  expect(listing.stdout.match(/^release {2}\w+ {2}snapshot/gm)).toHaveLength(VMS);
  const releasing = await timed(() => lab.everthaw.everthaw('cleanup', '-y'));
  expect(releasing.stdout.match(/^let go: snapshot/gm)).toHaveLength(VMS);
  expect((await lab.vcenter.vms()).flatMap(({ snapshots }) => snapshots ?? [])).toEqual([]);
  console.log(`sweep of ${VMS} VMs: ${listing.ms} ms to list, ${releasing.ms} ms to list and let go`);
}, 120_000);

async function timed<T>(work: () => Promise<T>): Promise<T & { readonly ms: number }> {
  const started = performance.now();
  const result = await work();
  return { ...result, ms: Math.round(performance.now() - started) };
}

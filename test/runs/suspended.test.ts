import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeDisk } from '../lab/disks.js';
import { Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import { labTemporal } from '../lab/temporal.js';

let lab: Lab;

beforeAll(async () => {
  const disk = await makeDisk('system', 64, 8);
  lab = await Lab.start([{ name: 'asleep', disks: [{ ...disk, unit: 0 }] }], labTemporal());
}, 120_000);

afterAll(() => lab.stop());

it('a suspended VM is backed up with its memory, and restored powered off, which is said', async () => {
  await lab.vcenter.govc('vm.power', '-suspend', 'asleep');
  const memory = {
    'asleep-5f1c.vmss': randomBytes(100_000),
    'asleep-5f1c.vmem': randomBytes(6 * 1024 * 1024),
  };
  for (const [name, bytes] of Object.entries(memory)) {
    const file = join(lab.everthaw.directory, name);
    await writeFile(file, bytes);
    await lab.vcenter.govc('datastore.upload', '-ds', 'LocalDS_0', file, `asleep/${name}`);
  }
  const early = await lab.backup('asleep', '--to', join(lab.everthaw.backups, 'early'));
  expect(early.stdout).toContain('warning: "asleep" is suspended, but the host names no file of its memory');
  // The simulator looks at a VM's files when a snapshot goes.
  await lab.vcenter.govc('snapshot.create', '-vm', 'asleep', 'mine');
  await lab.vcenter.govc('snapshot.remove', '-vm', 'asleep', 'mine');

  const ran = await lab.backup('asleep');
  expect(ran).toMatchObject({ code: 0, stderr: '' });
  expect(ran.stdout).not.toContain('memory');

  const directory = lab.directoryOf('asleep');
  for (const [name, bytes] of Object.entries(memory))
    expect((await readFile(join(directory, name))).equals(bytes), name).toBe(true);
  expect(await readFile(join(directory, 'catalog'), 'utf8')).toContain('state= "suspended"');
  expect(await lab.everthaw.everthaw('verify', directory)).toMatchObject({ code: 0, stderr: '' });

  const restored = await lab.restore(directory, '--name', 'awake');
  expect(restored.code).toBe(0);
  expect(restored.stdout).toMatch(
    /warning: it was suspended: its memory \(asleep-5f1c\.vm.., asleep-5f1c\.vm..\) stays in the backup/,
  );
  expect(await lab.diskOf('awake')).toBe(await lab.diskOf('asleep'));
  expect((await lab.vcenter.vm('awake')).powerState).toBe('poweredOff');
  expect((await readdir(directory)).length).toBeGreaterThan(4);
  expect(await leftovers(lab)).toEqual([]);
});

import { afterAll, beforeAll, expect, it } from 'vitest';
import { LabGuest } from '../lab/guest.js';
import { GuestLab } from '../lab/guestLab.js';
import { eventually } from '../lab/lab.js';
import { labTemporal } from '../lab/temporal.js';

let lab: GuestLab;

beforeAll(async () => {
  lab = await GuestLab.start(labTemporal());
}, 300_000);

afterAll(() => lab.stop());

it('lets go of all that a terminated backup of a running guest left', async () => {
  const guest = await LabGuest.start(lab.libvirt, { name: 'left-alone' });
  await guest.startWriter();
  expect(await lab.backup(guest.name, '--detach')).toMatchObject({ code: 0 });
  await eventually(async () =>
    (await lab.leftovers(guest)).some((each) => /everthaw.* beside the disks/.test(each)),
  );
  await lab.everthaw.killWorker();
  await lab.client.workflow.getHandle(await lab.runOf(guest)).terminate('the test');
  expect(await lab.leftovers(guest)).not.toEqual([]);
  const swept = await lab.everthaw.everthaw('cleanup', '-y');
  expect(swept).toMatchObject({ code: 0, stderr: '' });
  expect(swept.stdout).toMatch(/let go: password of host .* \(terminated\)\)\n$/);
  expect(await lab.leftovers(guest)).toEqual([]);
  expect(await guest.isWriting()).toBe(true);
  await guest.destroy();
}, 120_000);

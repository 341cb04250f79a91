import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Finding } from '../../src/domain/finding.js';
import { LabGuest } from '../lab/guest.js';
import { GuestLab } from '../lab/guestLab.js';
import { fingerprint } from '../lab/refusal.js';
import { labTemporal } from '../lab/temporal.js';

let lab: GuestLab;
let guest: LabGuest;

beforeAll(async () => {
  lab = await GuestLab.start(labTemporal());
  guest = await LabGuest.start(lab.libvirt, { name: 'orders' });
}, 300_000);

afterEach(async () => {
  expect(await lab.leftovers(guest)).toEqual([]);
});

afterAll(async () => {
  await guest.destroy();
  await lab.stop();
});

async function check(...args: readonly string[]): Promise<readonly Finding[]> {
  const { stdout, stderr, code } = await lab.everthaw.everthaw('check', ...args, '--json');
  expect(stderr).toBe('');
  const found = stdout.split('\n').filter((line) => line !== '');
  const findings = found.map((line) => JSON.parse(line) as Finding);
  expect(code).toBe(findings.some(({ state }) => state === 'failed') ? 1 : 0);
  return findings;
}

function failures(found: readonly Finding[]): readonly string[] {
  return found.filter(({ state }) => state === 'failed').map((each) => `${each.check}: ${each.found}`);
}

describe('a guest of libvirt', () => {
  it('that runs passes every check, and is as it was', async () => {
    const seen = async (): Promise<unknown> => [
      await lab.libvirt.virsh('dumpxml', 'orders'),
      await fingerprint(lab.everthaw.backups),
    ];
    const before = await seen();
    const found = await check('orders', '--root', lab.everthaw.backups);
    expect(failures(found)).toEqual([]);
    const ok = found.filter(({ state }) => state === 'ok').map((each) => each.check);
    for (const wanted of ['login', 'clock', 'worker', 'guest', 'nbd:export', 'hold directory', 'sockets'])
      expect(ok).toContain(wanted);
    expect(found).toContainEqual(
      expect.objectContaining({ check: 'point in time', found: 'by a backup job (pull)' }),
    );
    expect(await seen()).toEqual(before);
  });

  it('whose scratch directory is none fails, with what to do', async () => {
    const nowhere = join(lab.everthaw.directory, 'nowhere');
    const found = await check('orders', '--scratch-directory', nowhere);
    expect(failures(found)).toContain(`hold directory: ${nowhere} may not be written to`);
  });

  it('that is off is held by overlays, which need its images', async () => {
    await guest.powerOff();
    const found = await check('orders');
    expect(failures(found)).toEqual([]);
    expect(found).toContainEqual(expect.objectContaining({ check: 'images', state: 'ok' }));
  });
});

import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Manifest } from '../../src/domain/manifest.js';
import { until } from '../../src/system/until.js';
import { LabGuest, type LabGuestOptions } from '../lab/guest.js';
import { GuestLab } from '../lab/guestLab.js';
import { recordsOn } from '../lab/records.js';
import { refusal } from '../lab/refusal.js';
import { run, type Ran } from '../lab/run.js';
import { labTemporal } from '../lab/temporal.js';
import { LabSshd } from '../lab/sshd.js';

const PATIENCE_MS = 60_000;
/** How soon after the last word nothing of ssh is there any more, on either side: the shared connection is kept for 5 s. */
const LINGER_MS = 20_000;

/** Connections are looked for until the last has ended. */
const LONG = { timeout: 180_000 };

let lab: GuestLab;
let sshd: LabSshd;
const guests: LabGuest[] = [];

beforeAll(async () => {
  lab = await GuestLab.start(labTemporal(), async (libvirt) => {
    sshd = await LabSshd.start(libvirt);
    return sshd;
  });
}, 300_000);

afterEach(async () => {
  for (const guest of guests.splice(0)) await guest.destroy();
});

afterAll(async () => {
  await lab.stop();
  await sshd.stop();
});

async function start(options: LabGuestOptions): Promise<LabGuest> {
  const guest = await LabGuest.start(lab.libvirt, options);
  guests.push(guest);
  return guest;
}

function waitFor(condition: () => Promise<boolean> | boolean, withinMs = PATIENCE_MS): Promise<void> {
  return until(condition, AbortSignal.timeout(withinMs));
}

/** Records on the two disks of the VM's backup, each found whole. */
async function recordsIn(guest: LabGuest): Promise<readonly number[]> {
  const directory = lab.directoryOf(guest.name);
  const { disks } = JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')) as Manifest;
  return Promise.all(disks.map(({ file }) => recordsOn(join(directory, file))));
}

/** Tunnels, commands and sockets, on this side and on the other. */
async function leftOfSsh(): Promise<readonly string[]> {
  const local = (await lab.leftovers()).filter((what) => what.startsWith('process '));
  return [
    ...local,
    ...sshd.remotePrograms(),
    ...(await sshd.connections()).map((pid) => `connection (${pid})`),
    ...(await readdir(join(lab.everthaw.state, 'sockets'))).map((name) => `socket ${name}`),
  ];
}

async function expectNothingLeft(guest?: LabGuest): Promise<void> {
  let left: readonly string[] = [];
  await waitFor(async () => (left = await leftOfSsh()).length === 0, LINGER_MS).catch(() => undefined);
  expect(left).toEqual([]);
  expect(await lab.leftovers(...(guest === undefined ? [] : [guest]))).toEqual([]);
}

/** Begins a backup, and holds it where bytes of a disk are under way: nothing goes over the network from then on. */
async function stallInTransfer(guest: LabGuest, ...flags: readonly string[]): Promise<{ ran: Promise<Ran> }> {
  const ran = lab.backup(guest.name, ...flags);
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await isTransferring(guest.name))) {
    if (Date.now() > deadline) throw new Error(`the backup does not begin: ${JSON.stringify(await ran)}`);
    await sleep(2);
  }
  await sshd.stall();
  return { ran };
}

async function isTransferring(name: string): Promise<boolean> {
  const partial = (await readdir(lab.everthaw.backups)).find((each) =>
    each.startsWith(`${name}-fullVM.partial`),
  );
  if (partial === undefined) return false;
  const directory = join(lab.everthaw.backups, partial);
  for (const file of (await readdir(directory)).filter((each) => each.startsWith('virtio'))) {
    const { blocks } = await stat(join(directory, file)).catch(() => ({ blocks: 0 }));
    if (blocks > 1024) return true;
  }
  return false;
}

describe('over ssh', LONG, () => {
  for (const way of ['pull', 'overlay'] as const) {
    it(`a guest that writes is backed up (${way}), and nothing is left on either side`, async () => {
      const guest = await start({ name: `ssh-${way}`, format: ['qcow2', 'raw'] });
      await guest.startWriter(50);
      const before = await guest.recordsWritten();
      const backup = await lab.backup(guest.name, '--point-in-time', way);
      expect(backup).toMatchObject({ code: 0, stderr: '' });
      const [first = 0, second = 0] = await recordsIn(guest);
      expect(first).toBeGreaterThanOrEqual(before);
      expect(second).toBe(first);
      expect(await guest.isWriting()).toBe(true);
      await guest.stopWriter();
      await expectNothingLeft(guest);
    });
  }

  it('a VM that was lost comes back with the same bytes', async () => {
    const guest = await start({ name: 'ssh-lost', format: ['raw', 'qcow2'] });
    await guest.powerOff();
    expect(await lab.backup(guest.name)).toMatchObject({ code: 0, stderr: '' });
    const directory = lab.directoryOf(guest.name);
    await lab.libvirt.virsh('undefine', guest.name);
    await run('find', [guest.directory, '-type', 'f', '-delete']);
    expect(await lab.restore(directory)).toMatchObject({ code: 0, stderr: '' });
    expect((await lab.libvirt.virsh('domuuid', guest.name)).trim()).toBe(guest.uuid);
    const restored = await guest.activeDisks();
    const { disks } = JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')) as Manifest;
    for (const [index, { file }] of disks.entries())
      await run('qemu-img', ['compare', join(directory, file), restored[index] ?? '']);
    await guest.boot();
    await expectNothingLeft();
  });
});

describe('a backup of one machine’s guest to another machine', LONG, () => {
  it.each(['qcow2', 'raw'])('keeps its disks as %s, byte for byte', async (format) => {
    const guest = await start({ name: `far-${format}`, format: ['raw', 'qcow2'] });
    await guest.powerOff();
    const directory = join(lab.everthaw.backups, `far-${format}`);
    const ran = await lab.backup(guest.name, '--to', sshd.scpUrl(directory), '--disk-format', format);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    const { disks } = JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')) as Manifest;
    const originals = await guest.activeDisks();
    for (const [index, { file }] of disks.entries())
      await run('qemu-img', ['compare', join(directory, file), originals[index] ?? '']);
    expect(await lab.everthaw.everthaw('verify', directory)).toMatchObject({ code: 0, stderr: '' });
    await expectNothingLeft(guest);
  });

  it('refuses vmdk before anything is touched', async () => {
    const guest = await start({ name: 'far-vmdk' });
    const to = sshd.scpUrl(join(lab.everthaw.backups, 'far-vmdk'));
    const line = refusal(await lab.backup(guest.name, '--to', to, '--disk-format', 'vmdk'), 2);
    expect(line).toMatch(/as vmdk: .* Hint: use --disk-format qcow2 or raw/);
    await expectNothingLeft(guest);
  });
});

describe('a host that ssh does not get into', LONG, () => {
  afterEach(async () => {
    await sshd.trustHostKey();
    await sshd.allowKey();
  });

  it('by another host key than the known one: whoever answers is told nothing', async () => {
    await sshd.newHostKey();
    await sshd.kill();
    await sshd.startDaemon();
    const line = refusal(await lab.everthaw.everthaw('vms', 'any'));
    expect(line).toContain(`127.0.0.1:${sshd.port}`);
    expect(line).toContain('its host key is not the one that is known');
    expect(line).toContain('ssh-keygen -R');
  });

  it('by a host key that nobody has seen: it is not asked about', async () => {
    await sshd.trustHostKey(false);
    expect(refusal(await lab.everthaw.everthaw('vms', 'any'))).toContain('its host key is not known');
  });

  it('by a key that is not let in', async () => {
    await sshd.allowKey(false);
    expect(refusal(await lab.everthaw.everthaw('vms', 'any'))).toContain('it lets this user in by no key');
  });

  it('because nobody listens', async () => {
    await sshd.kill();
    const ran = await lab.everthaw.everthaw('vms', 'any');
    await sshd.startDaemon();
    expect(refusal(ran)).toContain('Connection refused');
  });
});

describe('a connection that is cut in mid-transfer', LONG, () => {
  it('costs an attempt: the run goes on with the same point in time', async () => {
    const guest = await start({ name: 'ssh-cut' });
    await guest.startWriter(20);
    const { ran } = await stallInTransfer(guest, '--retries', '5', '--backoff', '1');
    expect(await sshd.cut()).toBeGreaterThan(1);
    expect(await ran).toMatchObject({ code: 0, stderr: '' });
    const [first, second] = await recordsIn(guest);
    expect(second).toBe(first);
    await guest.stopWriter();
    await expectNothingLeft(guest);
  });

  for (const way of ['pull', 'overlay'] as const) {
    it(`and cannot be made again for a while is waited for, and costs no retry (${way})`, async () => {
      const guest = await start({ name: `ssh-down-${way}` });
      await guest.startWriter(20);
      const { ran } = await stallInTransfer(guest, '--point-in-time', way);
      await sshd.kill();
      await sshd.cut();
      await sleep(4000);
      await sshd.startDaemon();
      expect(await ran).toMatchObject({ code: 0, stderr: '' });
      const [first, second] = await recordsIn(guest);
      expect(second).toBe(first);
      expect(await guest.isWriting()).toBe(true);
      await guest.stopWriter();
      await expectNothingLeft(guest);
    });
  }
});

describe('a worker that is killed in mid-transfer', LONG, () => {
  for (const way of ['pull', 'overlay'] as const) {
    it(`leaves nothing that runs for long on either side, and the next one ends the backup (${way})`, async () => {
      const guest = await start({ name: `ssh-killed-${way}` });
      const { ran } = await stallInTransfer(guest, '--point-in-time', way);
      await lab.everthaw.killWorker();
      await sshd.resume();
      // What was asked of the host ends, and with it the shared connection; what reads an image stands until it is released.
      await waitFor(
        async () =>
          (await sshd.connections()).length === 0 &&
          sshd.remotePrograms().every((program) => program.includes('qemu-nbd')),
        LINGER_MS,
      );
      await lab.everthaw.startWorker();
      expect(await ran).toMatchObject({ code: 0, stderr: '' });
      const [first, second] = await recordsIn(guest);
      expect(second).toBe(first);
      await expectNothingLeft(guest);
    });
  }
});

import { readdir, readFile } from 'node:fs/promises';
import { afterAll, beforeAll } from 'vitest';
import { openHost } from '../../src/hosts/hostPool.js';
import type { Host } from '../../src/hosts/host.js';
import { LIBVIRT_SETTINGS } from '../../src/hosts/libvirt/connection/settings.js';
import { Secret } from '../../src/hosts/secret.js';
import { LabGuest } from '../lab/guest.js';
import { LabLibvirt } from '../lab/libvirt.js';
import { describeHost } from './conformance.js';

let libvirt: LabLibvirt;
let guest: LabGuest;

beforeAll(async () => {
  libvirt = await LabLibvirt.start();
  guest = await LabGuest.start(libvirt, { name: 'web' });
}, 120_000);

afterAll(() => libvirt.stop());

function open(): Promise<Host> {
  const entry = { kind: 'libvirt' as const, address: libvirt.uri, settings: LIBVIRT_SETTINGS.parse({}) };
  return openHost(entry, new Secret(''), undefined, libvirt.directory);
}

/** Processes of virsh that stay connected to the lab's libvirtd. */
async function sessions(): Promise<number> {
  let found = 0;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const [program, ...args] = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (program === 'virsh' && args.includes(libvirt.uri)) found++;
  }
  return found;
}

describeHost('libvirt', { nestsSnapshots: false }, () => ({
  open,
  vmName: 'web',
  snapshotsSeen: async () => {
    const job = await libvirt.virsh('domjobinfo', guest.name);
    return /Job type:\s+None/.test(job) ? 0 : 1;
  },
  sessionsSeen: sessions,
}));

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openHost } from '../src/hosts/hostPool.js';
import type { Host } from '../src/hosts/host.js';
import { LIBVIRT_SETTINGS } from '../src/hosts/libvirt/connection/settings.js';
import { Secret } from '../src/hosts/secret.js';
import { LARGE, type GuestSizes } from '../test/lab/guestMemory.js';
import { LabGuest } from '../test/lab/guest.js';
import { LabLibvirt } from '../test/lab/libvirt.js';
import { run } from '../test/lab/run.js';

/** A real guest for as long as `work` takes; with a disk of 4 GiB, 800 MiB of it data, if not told otherwise. */
export async function withGuest<T>(
  work: (bench: GuestBench) => Promise<T>,
  sizes: GuestSizes = LARGE,
): Promise<T> {
  const libvirt = await LabLibvirt.start();
  try {
    console.log('guest: booted once and kept; the first time takes about a minute …');
    const guest = await LabGuest.start(libvirt, { name: 'bench', sizes });
    // Its disks were just written: what is left of that is not to be measured.
    await run('sync', []);
    const directory = join(libvirt.directory, 'bench');
    await mkdir(directory);
    return await work({ libvirt, guest, directory, host: await openLibvirt(libvirt) });
  } finally {
    await libvirt.stop();
  }
}

export interface GuestBench {
  readonly libvirt: LabLibvirt;
  readonly guest: LabGuest;
  /** For what is copied; empty. */
  readonly directory: string;
  readonly host: Host;
}

function openLibvirt(libvirt: LabLibvirt): Promise<Host> {
  const entry = { kind: 'libvirt' as const, address: libvirt.uri, settings: LIBVIRT_SETTINGS.parse({}) };
  return openHost(entry, new Secret(''), undefined, libvirt.directory);
}

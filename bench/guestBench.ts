import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openHost } from '../src/hosts/hostPool.js';
import type { Host } from '../src/hosts/host.js';
import { LIBVIRT_SETTINGS } from '../src/hosts/libvirt/connection/settings.js';
import { Secret } from '../src/hosts/secret.js';
import { LARGE } from '../test/lab/guestMemory.js';
import { LabGuest } from '../test/lab/guest.js';
import { LabLibvirt } from '../test/lab/libvirt.js';

/** A real guest with a disk of 4 GiB, 800 MiB of it data, for as long as `work` takes. */
export async function withGuest<T>(work: (bench: GuestBench) => Promise<T>): Promise<T> {
  const libvirt = await LabLibvirt.start();
  try {
    console.log('guest: booted once and kept; the first time takes about a minute …');
    const guest = await LabGuest.start(libvirt, { name: 'bench', sizes: LARGE });
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

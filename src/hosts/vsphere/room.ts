import { EverthawError } from '../../domain/errors.js';
import { formatBytes } from '../../domain/format.js';
import { parseDatastorePath } from './datastorePath.js';
import { readDisks } from './devices.js';
import { findVm } from './inventory.js';
import { arrayOf, readProperties } from './properties.js';
import type { VsphereSession } from './session.js';
import { readRef, text, type Ref } from './xml.js';

export const USUAL_DATASTORE_FLOOR_BYTES = 1024 * 1024 * 1024;

/**
 * What a VM writes while it has a snapshot lies on its datastores, and when one of them is full all VMs there stop. So with less than
 * the floor left nothing is begun, and what was begun is given up.
 *
 * @throws EverthawError HostStorageFull
 */
export async function checkRoom(
  session: VsphereSession,
  instanceUuid: string,
  floorBytes: number,
  what: string,
): Promise<void> {
  const vm = await findVm(session, instanceUuid);
  for (const { name, freeBytes } of await datastoresOf(session, vm, what)) {
    if (freeBytes >= floorBytes) continue;
    throw new EverthawError({
      code: 'HostStorageFull',
      what,
      why: `datastore "${name}" has ${formatBytes(freeBytes)} left, below the floor of ${formatBytes(floorBytes)}, and what the VM writes meanwhile is kept there`,
      hint: 'free room on the datastore; the floor is EVERTHAW_DATASTORE_FLOOR_MIB',
    });
  }
}

interface Datastore {
  readonly name: string;
  readonly freeBytes: number;
}

/** Those of its disks and its own directory: one that only holds a CD image may be as full as it likes. */
async function datastoresOf(session: VsphereSession, vm: Ref, what: string): Promise<readonly Datastore[]> {
  const properties = await readProperties(session, what, vm, [
    'datastore',
    'config.files.vmPathName',
    'config.hardware.device',
  ]);
  const paths = [
    text(properties.get('config.files.vmPathName')),
    ...readDisks(arrayOf(properties.get('config.hardware.device'))).map(({ fileName }) => fileName),
  ];
  const names = new Set(paths.map((path) => parseDatastorePath(path).datastore));
  const found: Datastore[] = [];
  for (const each of arrayOf(properties.get('datastore'))) {
    const datastore = readRef(each);
    if (datastore === undefined) continue;
    const name = text((await readProperties(session, what, datastore, ['summary.name'])).get('summary.name'));
    if (!names.has(name)) continue;
    // The host looks at its storage seldom by itself; not everybody may ask it to.
    await session.call(what, datastore, 'RefreshDatastore').catch(() => undefined);
    const summary = await readProperties(session, what, datastore, [
      'summary.freeSpace',
      'summary.accessible',
    ]);
    const freeBytes = Number(text(summary.get('summary.freeSpace')));
    if (text(summary.get('summary.accessible')) === 'true' && Number.isFinite(freeBytes))
      found.push({ name, freeBytes });
  }
  return found;
}

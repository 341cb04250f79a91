import { EverthawError } from '../../domain/errors.js';
import type { DiskDescription } from '../../domain/vm.js';
import { curlDownload, type CurlTarget } from '../../disks/curl.js';
import type { DiskExport, KeepAlive, LeaseNotes } from '../exports.js';
import { leaseKeyOf, readDisks } from './devices.js';
import { faultOfMethod, translate, VimFault } from './faults.js';
import { arrayOf, readProperties, waitForProperties } from './properties.js';
import { returnValue } from './soapClient.js';
import type { VsphereSession } from './session.js';
import { pinCertificate } from './trust.js';
import { child, children, readRef, ref, text, type Ref } from './xml.js';

/** A lease that is ready: the host expects transfers and signs of life. */
export interface Lease {
  readonly reference: Ref;
  readonly entity: Ref | undefined;
  /** Disks only. */
  readonly devices: readonly LeaseDevice[];
}

export interface LeaseDevice {
  readonly key: string;
  readonly url: string;
  readonly sslThumbprint: string;
}

/** Waits until a lease is ready. @throws EverthawError what the lease failed with. */
export async function awaitLease(
  session: VsphereSession,
  what: string,
  reference: Ref,
  signal: AbortSignal,
): Promise<Lease> {
  const properties = await waitForProperties(
    session,
    what,
    reference,
    ['state', 'info', 'error'],
    (seen) =>
      ['ready', 'error', 'done'].includes(text(seen.get('state'))) &&
      (text(seen.get('state')) !== 'ready' || seen.get('info') !== undefined),
    signal,
  );
  if (text(properties.get('state')) !== 'ready')
    throw translate(what, faultOfMethod(properties.get('error') ?? ''));
  const info = properties.get('info');
  return {
    reference,
    entity: readRef(child(info, 'entity')),
    devices: children(info, 'deviceUrl')
      .filter((device) => text(device, 'disk') !== 'false')
      .map((device) => ({
        key: text(device, 'importKey') || text(device, 'key'),
        // A standalone host does not know by which name it is reached.
        url: text(device, 'url').replace('//*', `//${session.url.hostname}`),
        sslThumbprint: text(device, 'sslThumbprint'),
      })),
  };
}

/** The device of a disk: its key ends with controller, bus and unit; a lease of a single disk needs no telling. */
export function deviceOf(lease: Lease, key: string, what: string): LeaseDevice {
  const device =
    lease.devices.find((candidate) => candidate.key.endsWith(`/${key}`)) ??
    (lease.devices.length === 1 ? lease.devices[0] : undefined);
  if (device !== undefined) return device;
  throw new EverthawError({
    code: 'HostFault',
    what,
    why: `the lease offers ${lease.devices.map((candidate) => candidate.key).join(', ')}, none is ${key}`,
    hint: 'please report it with the host’s version; the transport nbdssl:datastore may work',
  });
}

/** How curl reaches a lease's URL: the host of it may be an ESX host, for whose certificate the vCenter vouches. */
export async function targetOf(session: VsphereSession, device: LeaseDevice): Promise<CurlTarget> {
  const url = new URL(device.url);
  const { caFile } = session.at.trust;
  if (url.hostname === session.url.hostname) {
    return { url: device.url, caFile, pinnedPublicKey: (await session.pinned())?.publicKey };
  }
  if (device.sslThumbprint === '') return { url: device.url, caFile };
  const pin = await pinCertificate(url.hostname, Number(url.port || 443), device.sslThumbprint);
  return { url: device.url, pinnedPublicKey: pin.publicKey };
}

export function keepAlive(session: VsphereSession, lease: Ref): KeepAlive {
  return async (fraction) => {
    const percent = Math.min(100, Math.max(0, Math.floor(fraction * 100)));
    await session.call('tell the host that the transfer lives', lease, 'HttpNfcLeaseProgress', { percent });
  };
}

export async function completeLease(session: VsphereSession, lease: Ref): Promise<void> {
  await session.call(`complete lease ${lease.value}`, lease, 'HttpNfcLeaseComplete');
}

/** Ends a lease; one that the host does not know any more has ended. */
export async function abortLease(session: VsphereSession, leaseId: string): Promise<void> {
  const lease = ref('HttpNfcLease', leaseId);
  try {
    const state = text(
      (await readProperties(session, `look at lease ${leaseId}`, lease, ['state'])).get('state'),
    );
    if (state === 'done' || state === 'error') return;
    await session.call(`end lease ${leaseId}`, lease, 'HttpNfcLeaseAbort');
  } catch (error) {
    if (
      error instanceof EverthawError &&
      error.cause instanceof VimFault &&
      ['ManagedObjectNotFound', 'InvalidState'].includes(error.cause.type)
    )
      return;
    throw error;
  }
}

/** Sizes that the host says it sent or got, by lease key; a host may not tell. */
export async function manifestSizes(
  session: VsphereSession,
  lease: Ref,
): Promise<ReadonlyMap<string, number>> {
  try {
    const answer = await session.call(
      `read the manifest of lease ${lease.value}`,
      lease,
      'HttpNfcLeaseGetManifest',
    );
    return new Map(
      children(answer, 'returnval').map((entry) => [text(entry, 'key'), Number(text(entry, 'size'))]),
    );
  } catch (error) {
    if (error instanceof EverthawError && error.cause instanceof VimFault) return new Map();
    throw error;
  }
}

/** Compares a size with the lease's manifest, where the host gave one. */
export function checkSize(
  sizes: ReadonlyMap<string, number>,
  key: string,
  sizeBytes: number,
  what: string,
): void {
  const entry = [...sizes].find(([name]) => name.endsWith(`/${key}`));
  if (entry === undefined || entry[1] === 0 || entry[1] === sizeBytes) return;
  throw new EverthawError({
    code: 'StreamTorn',
    what,
    why: `${sizeBytes} bytes went over, the host counts ${entry[1]}`,
    hint: 'the transfer lost something on the way: run it again',
    retry: 'again',
  });
}

/** Opens an export lease on a snapshot for one of its disks. */
export async function openExportLease(
  session: VsphereSession,
  snapshotId: string,
  disk: DiskDescription,
  notes: LeaseNotes,
): Promise<DiskExport> {
  const what = `export disk ${disk.label} of snapshot ${snapshotId}`;
  const snapshot = ref('VirtualMachineSnapshot', snapshotId);
  const devices = (await readProperties(session, what, snapshot, ['config.hardware.device'])).get(
    'config.hardware.device',
  );
  const device = readDisks(arrayOf(devices)).find(({ label }) => label === disk.label);
  if (device === undefined) throw diskNotInSnapshot(what, disk.label);
  await notes.intend();
  const reference = readRef(returnValue(await session.call(what, snapshot, 'ExportSnapshot')));
  if (reference === undefined) throw new Error(`${what}: the host gave no lease`);
  await notes.taken(reference.value);
  const lease = await awaitLease(session, what, reference, AbortSignal.timeout(300_000));
  const key = leaseKeyOf(device);
  return {
    kind: 'stream',
    source: curlDownload(await targetOf(session, deviceOf(lease, key, what)), `disk ${disk.label}`),
    keepAlive: keepAlive(session, reference),
    finish: async (sizeBytes) => {
      checkSize(await manifestSizes(session, reference), key, sizeBytes, what);
      await completeLease(session, reference);
    },
  };
}

export function diskNotInSnapshot(what: string, label: string): EverthawError {
  return new EverthawError({
    code: 'SnapshotLost',
    what,
    why: `the snapshot holds no disk at ${label}, or is gone`,
    hint: 'a disk was removed while the backup began: run it again',
  });
}

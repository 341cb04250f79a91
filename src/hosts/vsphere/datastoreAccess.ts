import { request, Agent } from 'undici';
import { EverthawError } from '../../domain/errors.js';
import type { DiskDescription } from '../../domain/vm.js';
import { curlDownload, curlUpload, type CurlTarget } from '../../disks/curl.js';
import type { SourceProgram } from '../../system/sourceProgram.js';
import { readExtent } from '../../disks/vmdkDescriptor.js';
import type { DiskExport, UrlAccess } from '../exports.js';
import { directoryOf, folderUrl, formatDatastorePath, parseDatastorePath } from './datastorePath.js';
import { hasParent, readDisks, type DiskDevice } from './devices.js';
import { translate, VimFault } from './faults.js';
import { findVm, placeOf } from './inventory.js';
import { diskNotInSnapshot } from './leases.js';
import type { DatastorePlace } from './place.js';
import { arrayOf, readAll, readProperties, runTask } from './properties.js';
import type { VsphereSession } from './session.js';
import { trustingConnector } from './trust.js';
import { refXml, ref, text } from './xml.js';

/** Datastores whose `/folder` does not show a disk as a file of its bytes. */
const OBJECT_STORES = ['vsan', 'vvol'];

/** The answer to a cookie of a session that has ended: unlike a method, a file has no fault to say so by. */
const UNAUTHORIZED = 401;

/** Where it would give wrong bytes or none, and why; asked before the snapshot is taken. */
export async function datastoreRefusal(
  session: VsphereSession,
  instanceUuid: string,
  disk: DiskDescription,
): Promise<string | undefined> {
  const vm = await findVm(session, instanceUuid);
  const devices = (
    await readProperties(session, 'read the disks of a VM', vm, ['config.hardware.device'])
  ).get('config.hardware.device');
  const device = readDisks(arrayOf(devices)).find(({ label }) => label === disk.label);
  if (device === undefined) return 'the VM has no such disk any more';
  if (hasParent(device))
    return 'the VM has a snapshot already, so that the disk’s file is not the whole disk';
  const { datastore } = parseDatastorePath(disk.path);
  const all = await readAll(session, 'read the datastores', 'Datastore', ['summary.name', 'summary.type']);
  const kind = text(
    all
      .find(({ properties }) => text(properties.get('summary.name')) === datastore)
      ?.properties.get('summary.type'),
  ).toLowerCase();
  if (OBJECT_STORES.includes(kind))
    return `datastore "${datastore}" is of kind ${kind}, which keeps no flat files`;
  // nbdkit believes a certificate by CA and name only: it cannot be told of a thumbprint.
  if ((await session.pinned())?.namesAddress === false)
    return `the host’s certificate, known by its thumbprint, is not for "${session.at.address}"`;
  return undefined;
}

/** Opens one disk of a snapshot as an URL of its raw bytes; the path is the snapshot's own, for a VM may have moved. */
export async function openDatastoreDisk(
  session: VsphereSession,
  instanceUuid: string,
  snapshotId: string,
  disk: DiskDescription,
  caFile: string | undefined,
): Promise<DiskExport> {
  const what = `open disk ${disk.label} of snapshot ${snapshotId} on its datastore`;
  const vm = await findVm(session, instanceUuid);
  const devices = (
    await readProperties(session, what, ref('VirtualMachineSnapshot', snapshotId), ['config.hardware.device'])
  ).get('config.hardware.device');
  const device: DiskDevice | undefined = readDisks(arrayOf(devices)).find(
    ({ label }) => label === disk.label,
  );
  if (device === undefined) throw diskNotInSnapshot(what, disk.label);
  if (hasParent(device)) {
    throw new EverthawError({
      code: 'TransportRefused',
      what,
      why: 'the disk’s file has a parent: alone it is not the disk',
      hint: 'use the transport nbdssl:lease, or remove the VM’s older snapshots',
    });
  }
  const { datacenter } = await placeOf(session, vm);
  const { datastore, path } = parseDatastorePath(device.fileName);
  const descriptor = await readDatastoreText(session, { datacenter, datastore }, path);
  if (descriptor === undefined) throw diskNotInSnapshot(what, disk.label);
  const extent = readExtent(descriptor, what);
  const directory = directoryOf(path);
  const access = await urlAccess(session, caFile);
  return {
    kind: 'url',
    url: folderUrl(
      session.url,
      datacenter,
      datastore,
      directory === '' ? extent.file : `${directory}/${extent.file}`,
    ).href,
    sizeBytes: extent.sizeBytes,
    access,
  };
}

export async function urlAccess(session: VsphereSession, caFile: string | undefined): Promise<UrlAccess> {
  return { cookie: await session.cookie(), caFile, pinnedPublicKey: (await session.pinned())?.publicKey };
}

/** A small text file of a datastore, or undefined where there is none. */
export function readDatastoreText(
  session: VsphereSession,
  place: DatastorePlace,
  path: string,
): Promise<string | undefined> {
  return askDatastore(session, place, path, 'GET');
}

export async function datastoreFileExists(
  session: VsphereSession,
  place: DatastorePlace,
  path: string,
): Promise<boolean> {
  return (await askDatastore(session, place, path, 'HEAD')) !== undefined;
}

async function askDatastore(
  session: VsphereSession,
  place: DatastorePlace,
  path: string,
  method: 'GET' | 'HEAD',
): Promise<string | undefined> {
  const what = `read ${formatDatastorePath(place.datastore, path)}`;
  const agent = new Agent({ connect: trustingConnector(session.at.trust) });
  try {
    return await session.withCookie(async (cookie) => {
      const response = await request(folderUrl(session.url, place.datacenter, place.datastore, path), {
        method,
        dispatcher: agent,
        headers: { cookie: `vmware_soap_session=${cookie}` },
      });
      if (response.statusCode === 404) return undefined;
      if (response.statusCode === UNAUTHORIZED) throw new VimFault('NotAuthenticated', '');
      if (response.statusCode !== 200) throw new VimFault(`HTTP status ${response.statusCode}`, '');
      return response.body.text();
    });
  } catch (error) {
    throw translate(what, error);
  } finally {
    await agent.destroy();
  }
}

export async function downloadProgram(
  session: VsphereSession,
  place: DatastorePlace,
  path: string,
  caFile: string | undefined,
): Promise<SourceProgram> {
  return curlDownload(await target(session, place, path, caFile), formatDatastorePath(place.datastore, path));
}

export async function uploadProgram(
  session: VsphereSession,
  place: DatastorePlace,
  path: string,
  file: string,
  caFile: string | undefined,
): Promise<SourceProgram> {
  return curlUpload(
    await target(session, place, path, caFile),
    file,
    'PUT',
    formatDatastorePath(place.datastore, path),
  );
}

/** Makes a directory on a datastore. @throws EverthawError RestoreTargetExists */
export async function makeDirectory(
  session: VsphereSession,
  place: DatastorePlace,
  directory: string,
): Promise<void> {
  const what = `make directory ${formatDatastorePath(place.datastore, directory)}`;
  const { fileManager } = await session.content();
  await session.call(what, fileManager, 'MakeDirectory', {
    name: formatDatastorePath(place.datastore, directory),
    datacenter: refXml(await datacenterRef(session, place.datacenter)),
    createParentDirectories: false,
  });
}

/** Deletes a file or directory on a datastore; one that is not there is what was wanted. */
export async function deletePath(
  session: VsphereSession,
  place: DatastorePlace,
  path: string,
): Promise<void> {
  const what = `delete ${formatDatastorePath(place.datastore, path)}`;
  const { fileManager } = await session.content();
  try {
    await runTask(
      session,
      what,
      fileManager,
      'DeleteDatastoreFile_Task',
      {
        name: formatDatastorePath(place.datastore, path),
        datacenter: refXml(await datacenterRef(session, place.datacenter)),
      },
      new AbortController().signal,
    );
  } catch (error) {
    if (
      error instanceof EverthawError &&
      error.cause instanceof VimFault &&
      error.cause.type === 'FileNotFound'
    )
      return;
    throw error;
  }
}

async function target(
  session: VsphereSession,
  place: DatastorePlace,
  path: string,
  caFile: string | undefined,
): Promise<CurlTarget> {
  return {
    url: folderUrl(session.url, place.datacenter, place.datastore, path).href,
    ...(await urlAccess(session, caFile)),
  };
}

async function datacenterRef(session: VsphereSession, path: string) {
  const all = await readAll(session, 'list the datacenters', 'Datacenter', ['name']);
  for (const { object } of all) {
    if ((await placeOf(session, object)).datacenter === path) return object;
  }
  throw new EverthawError({
    code: 'HostFault',
    what: `find datacenter "${path}"`,
    why: 'the host has none of that name',
    hint: 'name another in the catalog',
  });
}

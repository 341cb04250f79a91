import { directoryOfUrl, isCalled, pathByLabel } from '../../domain/datastoreNames.js';
import { EverthawError } from '../../domain/errors.js';
import { curlUpload } from '../../disks/curl.js';
import type { ManifestDisk } from '../../domain/manifest.js';
import type { ImportWay, RestorePlace, RestoreWish } from '../../domain/runs.js';
import type { DiskImport, ImportRequest, LeaseNotes } from '../exports.js';
import { configSpec, parseConfiguration, type VmConfiguration } from './configuration.js';
import { leaseKeyOf } from './devices.js';
import { placeOf } from './inventory.js';
import {
  awaitLease,
  checkSize,
  completeLease,
  deviceOf,
  keepAlive,
  manifestSizes,
  targetOf,
} from './leases.js';
import { parseDatastorePath } from './datastorePath.js';
import { restorePlace, vspherePlace } from './place.js';
import { readAll, readProperties, runTask } from './properties.js';
import { returnValue } from './soapClient.js';
import type { VsphereSession } from './session.js';
import { readRef, ref, refXml, text, typed, type Ref } from './xml.js';

/** Finds folder, pool and datastore by the names that a catalog or manifest gives. */
export async function findPlace(
  session: VsphereSession,
  { vm, disks, storage, network }: RestoreWish,
): Promise<RestorePlace> {
  if (network !== undefined) {
    throw new EverthawError({
      code: 'WrongUsage',
      what: `restore to network "${network}"`,
      why: 'choosing another network is not built for vSphere yet',
      hint: 'restore to the original network, and change it in the vSphere Client before powering on',
    });
  }
  const folder = await findByPath(session, 'Folder', vm.folderPath);
  const pool = await findByPath(session, 'ResourcePool', vm.resourcePool);
  const stores = (
    await readAll(session, 'list the datastores', 'Datastore', ['summary.name', 'summary.url'])
  ).map(({ object, properties }) => ({
    object,
    label: text(properties.get('summary.name')),
    directory: directoryOfUrl(text(properties.get('summary.url'))),
  }));
  const originalPath = disks[0]?.originalPath ?? '';
  const wanted = storage ?? parseDatastorePath(pathByLabel(originalPath, stores) ?? originalPath).datastore;
  const { datacenter } = await placeOf(session, folder);
  for (const store of stores) {
    if (!isCalled(wanted, store)) continue;
    if ((await placeOf(session, store.object)).datacenter === datacenter) {
      return restorePlace({
        datacenter,
        folderId: folder.value,
        poolId: pool.value,
        datastore: store.label,
      });
    }
  }
  throw placeMissing(
    'datastore',
    wanted,
    stores.map(({ label }) => label),
  );
}

/** Streams go by an import lease, flat disks by the datastore: each in the form it is kept in. */
export function importWay(disks: readonly ManifestDisk[]): ImportWay {
  if (disks.every(({ format }) => format === 'vmdk-flat')) return 'upload';
  const other = disks.find(({ format }) => format !== 'vmdk-stream-optimized');
  if (other === undefined) return 'import';
  throw new EverthawError({
    code: 'DiskNotSupported',
    what: `restore disk ${other.label}`,
    why: `vSphere cannot be given a disk in the form ${other.format}`,
    hint: 'restore it to the kind of host that it came from; restoring across kinds is not built yet',
  });
}

/** Makes the VM by an import lease: it exists, marked, and waits for its disks. */
export async function openImportLease(
  session: VsphereSession,
  request: ImportRequest,
  notes: LeaseNotes,
  signal: AbortSignal,
): Promise<DiskImport> {
  const what = `make VM "${request.name}" for restoring`;
  const configuration = parseConfiguration(request.configuration);
  const place = vspherePlace(request.place);
  await notes.intend();
  const answer = await session.call(what, ref('ResourcePool', place.poolId), 'ImportVApp', {
    spec: typed('VirtualMachineImportSpec', {
      configSpec: configSpec(configuration, {
        name: request.name,
        mark: request.mark,
        datastore: place.datastore,
      }),
    }),
    folder: refXml(ref('Folder', place.folderId)),
  });
  const reference = readRef(returnValue(answer));
  if (reference === undefined) throw new Error(`${what}: the host gave no lease`);
  await notes.taken(reference.value);
  const lease = await awaitLease(session, what, reference, signal);
  if (lease.entity === undefined) throw new Error(`${what}: the lease names no VM`);
  const keys = new Map(configuration.disks.map((disk) => [disk.label, keyOf(configuration, disk)]));
  const targets = new Map<string, Awaited<ReturnType<typeof targetOf>>>();
  for (const [label, key] of keys) targets.set(label, await targetOf(session, deviceOf(lease, key, what)));
  return {
    moref: lease.entity.value,
    instanceUuid: await instanceUuidOf(session, lease.entity),
    keepAlive: keepAlive(session, reference),
    upload: (disk, file) => {
      const target = targets.get(disk.label);
      if (target === undefined) throw new Error(`${what}: no disk ${disk.label} in the configuration`);
      return curlUpload(target, file, 'POST', `disk ${disk.label}`);
    },
    finish: async (sent) => {
      const sizes = await manifestSizes(session, reference);
      for (const { label, sizeBytes } of sent) checkSize(sizes, keys.get(label) ?? label, sizeBytes, what);
      await completeLease(session, reference);
    },
  };
}

/** Makes the VM from disks that were uploaded to a directory of the datastore. */
export async function createVm(
  session: VsphereSession,
  request: ImportRequest,
  directory: string,
  signal: AbortSignal,
): Promise<{ moref: string; instanceUuid: string }> {
  const what = `make VM "${request.name}" from the uploaded disks`;
  const place = vspherePlace(request.place);
  const files = new Map(request.disks.map(({ disk }) => [disk.label, disk.file]));
  const config = configSpec(parseConfiguration(request.configuration), {
    name: request.name,
    mark: request.mark,
    datastore: place.datastore,
    existingDisk: (label) => `[${place.datastore}] ${directory}/${files.get(label) ?? ''}`,
  });
  const { result } = await runTask(
    session,
    what,
    ref('Folder', place.folderId),
    'CreateVM_Task',
    {
      config: { ...config, files: { vmPathName: `[${place.datastore}] ${directory}/${directory}.vmx` } },
      pool: refXml(ref('ResourcePool', place.poolId)),
    },
    signal,
  );
  const vm = readRef(result);
  if (vm === undefined) throw new Error(`${what}: the task named no VM`);
  return { moref: vm.value, instanceUuid: await instanceUuidOf(session, vm) };
}

async function instanceUuidOf(session: VsphereSession, vm: Ref): Promise<string> {
  const properties = await readProperties(session, `read VM ${vm.value}`, vm, ['config.instanceUuid']);
  return text(properties.get('config.instanceUuid'));
}

function keyOf(configuration: VmConfiguration, disk: VmConfiguration['disks'][number]): string {
  const controller = configuration.controllers.find(({ key }) => key === disk.controllerKey);
  return controller === undefined ? disk.label : leaseKeyOf({ controller, unitNumber: disk.unitNumber });
}

async function findByPath(
  session: VsphereSession,
  type: 'Folder' | 'ResourcePool',
  path: string,
): Promise<Ref> {
  const { searchIndex } = await session.content();
  const found = readRef(
    returnValue(
      await session.call(`find ${path}`, searchIndex, 'FindByInventoryPath', {
        inventoryPath: path.replace(/^\//, ''),
      }),
    ),
  );
  if (found?.type === type || (type === 'ResourcePool' && found?.type === 'VirtualApp')) return found;
  throw placeMissing(type === 'Folder' ? 'folder' : 'resource pool', path, []);
}

function placeMissing(kind: string, name: string, known: readonly string[]): EverthawError {
  return new EverthawError({
    code: 'RestorePlaceMissing',
    what: `find ${kind} "${name}" to restore to`,
    why: `the host has none of that name${known.length === 0 ? '' : `; it has ${known.join(', ')}`}`,
    hint: 'make it on the host, or restore elsewhere by an edited manifest',
  });
}

import { EverthawError } from '../../domain/errors.js';
import { curlUpload } from '../../disks/curl.js';
import type { ManifestDisk } from '../../domain/manifest.js';
import type { ImportWay } from '../../domain/restores.js';
import type { DiskImport, ImportRequest, LeaseNotes } from '../exports.js';
import { configSpec, parseConfiguration, type VmConfiguration } from './configuration.js';
import { leaseKeyOf } from './devices.js';
import {
  awaitLease,
  checkSize,
  completeLease,
  deviceOf,
  keepAlive,
  manifestSizes,
  targetOf,
} from './leases.js';
import { datastoreOf, vspherePlace } from './place.js';
import { readProperties, runTask } from './properties.js';
import { returnValue } from './soapClient.js';
import type { VsphereSession } from './session.js';
import { readRef, ref, refXml, text, typed, type Ref } from './xml.js';

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
        diskDatastore: (label) => datastoreOf(place, label),
      }),
    }),
    folder: refXml(ref('Folder', place.folderId)),
    ...onHost(place.hostId),
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
    // All were uploaded to one directory.
    diskDatastore: () => place.datastore,
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
      ...onHost(place.hostId),
    },
    signal,
  );
  const vm = readRef(result);
  if (vm === undefined) throw new Error(`${what}: the task named no VM`);
  return { moref: vm.value, instanceUuid: await instanceUuidOf(session, vm) };
}

/** Without one the resource pool's cluster chooses. */
function onHost(hostId: string) {
  return hostId === '' ? {} : { host: refXml(ref('HostSystem', hostId)) };
}

async function instanceUuidOf(session: VsphereSession, vm: Ref): Promise<string> {
  const properties = await readProperties(session, `read VM ${vm.value}`, vm, ['config.instanceUuid']);
  return text(properties.get('config.instanceUuid'));
}

function keyOf(configuration: VmConfiguration, disk: VmConfiguration['disks'][number]): string {
  const controller = configuration.controllers.find(({ key }) => key === disk.controllerKey);
  return controller === undefined ? disk.label : leaseKeyOf({ controller, unitNumber: disk.unitNumber });
}

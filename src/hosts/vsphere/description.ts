import type { DatastoreInfo, SnapshotInfo, VmDescription, VmFile } from '../../domain/vm.js';
import { ownEntry } from '../../domain/ownEntry.js';
import { readConfiguration } from './configuration.js';
import { describeDisk, readDisks } from './devices.js';
import { findVm, placeOf, summarise } from './inventory.js';
import { arrayOf, readProperties } from './properties.js';
import type { VsphereSession } from './session.js';
import { child, children, readRef, text, type XmlInput } from './xml.js';

const PATHS = [
  'name',
  'config',
  'config.uuid',
  'config.instanceUuid',
  'config.template',
  'runtime.powerState',
  'runtime.host',
  'guest.ipAddress',
  'guest.hostName',
  'guest.toolsRunningStatus',
  'parent',
  'resourcePool',
  'datastore',
  'snapshot',
  'summary.storage.committed',
];

export async function describeVm(session: VsphereSession, instanceUuid: string): Promise<VmDescription> {
  const vm = await findVm(session, instanceUuid);
  const what = `read the settings of VM ${vm.value}`;
  const properties = await readProperties(session, what, vm, PATHS);
  const config = properties.get('config');
  const folder = readRef(properties.get('parent'));
  const pool = readRef(properties.get('resourcePool'));
  const host = readRef(properties.get('runtime.host'));
  return {
    ...summarise(vm, properties),
    disks: readDisks(children(child(config, 'hardware'), 'device')).map(describeDisk),
    usedBytes: Number(text(properties.get('summary.storage.committed'))) || 0,
    folderPath: folder === undefined ? '' : (await placeOf(session, folder)).path,
    resourcePool: pool === undefined ? '' : (await placeOf(session, pool)).path,
    host: host === undefined ? '' : text((await readProperties(session, what, host, ['name'])).get('name')),
    configPath: text(config, 'files', 'vmPathName'),
    suspendDirectory: text(config, 'files', 'suspendDirectory'),
    logDirectory: text(config, 'files', 'logDirectory'),
    toolsRunning: text(properties.get('guest.toolsRunningStatus')) === 'guestToolsRunning',
    snapshots: flattenSnapshots(children(properties.get('snapshot'), 'rootSnapshotList')),
    datastores: await readDatastores(session, arrayOf(properties.get('datastore'))),
    configuration: { ...readConfiguration(config) },
  };
}

/** Configuration, NVRAM and logs of a VM; the host names the configuration, its neighbours are guessed from it. */
export async function listVmFiles(session: VsphereSession, instanceUuid: string): Promise<readonly VmFile[]> {
  const vm = await findVm(session, instanceUuid);
  const layout = await readProperties(session, 'list the files of a VM', vm, [
    'layoutEx.file',
    'config.files.vmPathName',
  ]);
  const roles: Readonly<Record<string, VmFile['role']>> = {
    config: 'vmx',
    nvram: 'nvram',
    log: 'log',
    suspendMemory: 'memory',
    suspend: 'memory',
  };
  const files = arrayOf(layout.get('layoutEx.file')).flatMap((file) => {
    const role = ownEntry(roles, text(file, 'type'));
    return role === undefined ? [] : [{ role, path: text(file, 'name') }];
  });
  const configPath = text(layout.get('config.files.vmPathName'));
  return files.some(({ role }) => role === 'vmx') || configPath === ''
    ? files
    : [...files, { role: 'vmx', path: configPath }];
}

/** The snapshot tree as a list, parents before children. */
export function flattenSnapshots(trees: readonly XmlInput[]): readonly SnapshotInfo[] {
  return trees.flatMap((tree) => [
    {
      id: text(tree, 'snapshot'),
      name: text(tree, 'name'),
      description: text(tree, 'description'),
      createdAt: text(tree, 'createTime'),
      quiesced: text(tree, 'quiesced') === 'true',
      // The host's task takes it whole or not at all.
      complete: true,
    },
    ...flattenSnapshots(children(tree, 'childSnapshotList')),
  ]);
}

async function readDatastores(
  session: VsphereSession,
  references: readonly XmlInput[],
): Promise<readonly DatastoreInfo[]> {
  const found: DatastoreInfo[] = [];
  for (const reference of references) {
    const datastore = readRef(reference);
    if (datastore === undefined) continue;
    const properties = await readProperties(session, 'read a datastore', datastore, ['summary']);
    const summary = properties.get('summary');
    found.push({
      label: text(summary, 'name'),
      url: text(summary, 'url'),
      kind: text(summary, 'type'),
      freeBytes: Number(text(summary, 'freeSpace')),
    });
  }
  return found;
}

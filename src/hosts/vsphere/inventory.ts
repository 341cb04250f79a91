import { EverthawError } from '../../domain/errors.js';
import type { VmSummary } from '../../domain/vm.js';
import { formatVmSpec, type VmSpec } from '../../domain/vmSpec.js';
import { readAll, readProperties, type Properties } from './properties.js';
import { returnValue } from './soapClient.js';
import type { VsphereSession } from './session.js';
import { children, readRef, ref, text, type Ref } from './xml.js';

const SUMMARY_PATHS = [
  'name',
  'config.uuid',
  'config.instanceUuid',
  'runtime.powerState',
  'guest.ipAddress',
  'guest.hostName',
];

const POWER_STATES: Readonly<Record<string, VmSummary['powerState']>> = {
  poweredOn: 'on',
  poweredOff: 'off',
  suspended: 'suspended',
};

/** VMs that a spec names; none is no error here. */
export async function findVms(session: VsphereSession, spec: VmSpec): Promise<readonly VmSummary[]> {
  const what = `look up VM ${formatVmSpec(spec)}`;
  const { searchIndex } = await session.content();
  switch (spec.kind) {
    case 'name': {
      const all = await readAll(session, what, 'VirtualMachine', SUMMARY_PATHS);
      return all
        .filter(({ properties }) => decodeName(text(properties.get('name'))) === spec.value)
        .map(({ object, properties }) => summarise(object, properties));
    }
    case 'moref':
      return summariseAll(session, what, [ref('VirtualMachine', spec.value)]);
    case 'uuid': {
      const answer = await session.call(what, searchIndex, 'FindAllByUuid', {
        uuid: spec.value,
        vmSearch: true,
        instanceUuid: false,
      });
      return summariseAll(session, what, refsOf(children(answer, 'returnval')));
    }
    case 'ipaddr': {
      const isAddress = /^[\d.]+$|:/.test(spec.value);
      const answer = isAddress
        ? await session.call(what, searchIndex, 'FindAllByIp', { ip: spec.value, vmSearch: true })
        : await session.call(what, searchIndex, 'FindAllByDnsName', { dnsName: spec.value, vmSearch: true });
      return summariseAll(session, what, refsOf(children(answer, 'returnval')));
    }
  }
}

/**
 * The VM's managed object, looked up by its instance uuid each time: a moref changes when a VM is registered again.
 *
 * @throws EverthawError VmNotFound
 */
export async function findVm(session: VsphereSession, instanceUuid: string): Promise<Ref> {
  const what = `look up VM with instance uuid ${instanceUuid}`;
  const { searchIndex } = await session.content();
  const found = readRef(
    returnValue(
      await session.call(what, searchIndex, 'FindByUuid', {
        uuid: instanceUuid,
        vmSearch: true,
        instanceUuid: true,
      }),
    ),
  );
  if (found !== undefined) return found;
  throw new EverthawError({
    code: 'VmNotFound',
    what,
    why: 'the host has no such VM',
    hint: 'it was removed, or is registered on another vCenter: look for it in the vSphere Client',
  });
}

export function summarise(object: Ref, properties: Properties): VmSummary {
  const ipAddress = text(properties.get('guest.ipAddress'));
  const hostName = text(properties.get('guest.hostName'));
  return {
    instanceUuid: text(properties.get('config.instanceUuid')),
    biosUuid: text(properties.get('config.uuid')),
    moref: object.value,
    name: decodeName(text(properties.get('name'))),
    powerState: POWER_STATES[text(properties.get('runtime.powerState'))] ?? 'off',
    ...(ipAddress === '' ? {} : { ipAddress }),
    ...(hostName === '' ? {} : { hostName }),
  };
}

/** Where an object lies in the inventory. */
export interface InventoryPlace {
  /** The names from the root folder down: `/DC0/vm/web`. */
  readonly path: string;
  /** The datacenter's own path, as `dcPath` of datastore URLs: `DC0`, or `folder/DC0`. */
  readonly datacenter: string;
  readonly datacenterRef: Ref | undefined;
}

export async function placeOf(session: VsphereSession, object: Ref): Promise<InventoryPlace> {
  const properties = await readProperties(session, 'read where an object lies', object, ['name', 'parent']);
  const parent = readRef(properties.get('parent'));
  // The root folder has a name that no path shows.
  if (parent === undefined) return { path: '', datacenter: '', datacenterRef: undefined };
  const above = await placeOf(session, parent);
  const path = `${above.path}/${decodeName(text(properties.get('name')))}`;
  return object.type === 'Datacenter'
    ? { path, datacenter: path.slice(1), datacenterRef: object }
    : { ...above, path };
}

/** Paths of all resource pools, or of all folders that can hold VMs. */
export async function inventoryPaths(
  session: VsphereSession,
  type: 'Folder' | 'ResourcePool',
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const { object } of await readAll(session, 'list places', type, ['name']))
    found.push((await placeOf(session, object)).path);
  // A datacenter's folders for hosts, networks and storage hold no VM.
  return type === 'Folder' ? found.filter((path) => /\/vm(\/|$)/.test(path)) : found;
}

/** vSphere writes `%`, `/` and `\\` in names as %25, %2f and %5c. */
export function decodeName(name: string): string {
  return name.replace(/%(25|2f|5c)/gi, (escape) => decodeURIComponent(escape));
}

/** The form of a name that calls take. */
export function encodeName(name: string): string {
  return name.replace(/[%/\\]/g, encodeURIComponent);
}

function refsOf(nodes: readonly unknown[]): readonly Ref[] {
  return nodes.flatMap((node) => readRef(node as never) ?? []);
}

async function summariseAll(
  session: VsphereSession,
  what: string,
  objects: readonly Ref[],
): Promise<readonly VmSummary[]> {
  const found: VmSummary[] = [];
  for (const object of objects) {
    try {
      found.push(summarise(object, await readProperties(session, what, object, SUMMARY_PATHS)));
    } catch (error) {
      // A moref that was given by hand and does not exist is "none found".
      if (!(error instanceof EverthawError && error.code === 'VmNotFound')) throw error;
    }
  }
  return found;
}

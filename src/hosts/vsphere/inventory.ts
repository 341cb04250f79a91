import { EverthawError } from '../../domain/errors.js';
import type { VmSummary } from '../../domain/vm.js';
import { formatVmSpec, type VmSpec } from '../../domain/vmSpec.js';
import type { VmDetail } from '../host.js';
import { canonicalAddress, isMeant, isTelling, wantedAddress } from '../guestAddress.js';
import { arrayOf, readAll, readProperties, type Properties } from './properties.js';
import { returnValue } from './soapClient.js';
import type { VsphereSession } from './session.js';
import { children, readRef, ref, text, type Ref } from './xml.js';

const SUMMARY_PATHS = [
  'name',
  'config.uuid',
  'config.instanceUuid',
  'config.template',
  'runtime.powerState',
  'guest.ipAddress',
  'guest.hostName',
];

const POWER_STATES: Readonly<Record<string, VmSummary['powerState']>> = {
  poweredOn: 'on',
  poweredOff: 'off',
  suspended: 'suspended',
};

/** VMs that a spec names; none is no error here. One that says which is looked up, for any other all are read, by pages. */
export async function findVms(
  session: VsphereSession,
  spec: VmSpec,
  detail: VmDetail = {},
): Promise<readonly VmSummary[]> {
  const what = `look up VM ${formatVmSpec(spec)}`;
  const read: Reading = { session, what, paths: pathsFor(detail) };
  const found = await findRead(read, spec);
  const folders = detail.folders === true && found.length > 0 ? await folderPaths(session) : undefined;
  return found.map((each) => {
    const { object, properties } = each;
    const parent = readRef(properties.get('parent'))?.value ?? '';
    const folderPath = folders?.get(parent) ?? '';
    return { ...summarise(object, properties), ...(folders === undefined ? {} : { folderPath }) };
  });
}

interface Reading {
  readonly session: VsphereSession;
  readonly what: string;
  readonly paths: readonly string[];
}

interface ReadVm {
  readonly object: Ref;
  readonly properties: Properties;
}

function pathsFor({ addresses, folders }: VmDetail): readonly string[] {
  return [
    ...SUMMARY_PATHS,
    ...(addresses === true ? ['guest.net'] : []),
    ...(folders === true ? ['parent'] : []),
  ];
}

async function findRead(read: Reading, spec: VmSpec): Promise<readonly ReadVm[]> {
  const { session, what, paths } = read;
  switch (spec.kind) {
    case 'name': {
      const named = await readAll(session, what, 'VirtualMachine', ['name']);
      const meant = named.filter(({ properties }) => decodeName(text(properties.get('name'))) === spec.value);
      return readEach(
        read,
        meant.map(({ object }) => object),
      );
    }
    case 'moref':
      return readEach(read, [ref('VirtualMachine', spec.value)]);
    case 'uuid': {
      const { searchIndex } = await session.content();
      const answer = await session.call(what, searchIndex, 'FindAllByUuid', {
        uuid: spec.value,
        vmSearch: true,
        instanceUuid: false,
      });
      return readEach(
        read,
        children(answer, 'returnval').flatMap((node) => readRef(node) ?? []),
      );
    }
    case 'ipaddr': {
      // The host's own index knows no address of a guest but its first.
      const wanted = await wantedAddress(spec.value);
      const all = await readAll(session, what, 'VirtualMachine', [...new Set([...paths, 'guest.net'])]);
      return all.filter(({ object, properties }) => isMeant(wanted, summarise(object, properties)));
    }
    case 'powerstate': {
      const all = await readAll(session, what, 'VirtualMachine', paths);
      return all.filter(({ object, properties }) => summarise(object, properties).powerState === spec.value);
    }
    case 'any':
      return readAll(session, what, 'VirtualMachine', paths);
    case 'none':
      return [];
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
  const ipAddresses = addressesOf(properties);
  return {
    instanceUuid: text(properties.get('config.instanceUuid')),
    biosUuid: text(properties.get('config.uuid')),
    moref: object.value,
    name: decodeName(text(properties.get('name'))),
    powerState: POWER_STATES[text(properties.get('runtime.powerState'))] ?? 'off',
    ...(text(properties.get('config.template')) === 'true' ? { isTemplate: true } : {}),
    ...(ipAddress === '' ? {} : { ipAddress }),
    ...(ipAddresses === undefined ? {} : { ipAddresses }),
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

/** Paths of all folders and datacenters by their moref values, by two readings. */
export async function folderPaths(session: VsphereSession): Promise<ReadonlyMap<string, string>> {
  return treePaths(session, ['Datacenter', 'Folder']);
}

/** Paths of all objects of these types by their moref values; what lies above them must be of these types too. */
export async function treePaths(
  session: VsphereSession,
  types: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const nodes = new Map<string, { readonly name: string; readonly parent: string }>();
  for (const type of types) {
    for (const { object, properties } of await readAll(session, 'read the inventory’s tree', type, [
      'name',
      'parent',
    ])) {
      const name = decodeName(text(properties.get('name')));
      nodes.set(object.value, { name, parent: readRef(properties.get('parent'))?.value ?? '' });
    }
  }
  const pathOf = (id: string): string => {
    const node = nodes.get(id);
    // The root folder has a name that no path shows, and no view of it shows itself.
    return node === undefined ? '' : `${pathOf(node.parent)}/${node.name}`;
  };
  return new Map([...nodes.keys()].map((id) => [id, pathOf(id)]));
}

/** vSphere writes `%`, `/` and `\\` in names as %25, %2f and %5c. */
export function decodeName(name: string): string {
  return name.replace(/%(25|2f|5c)/gi, (escape) => decodeURIComponent(escape));
}

/** The form of a name that calls take. */
export function encodeName(name: string): string {
  return name.replace(/[%/\\]/g, encodeURIComponent);
}

async function readEach(
  { session, what, paths }: Reading,
  objects: readonly Ref[],
): Promise<readonly ReadVm[]> {
  const found: ReadVm[] = [];
  for (const object of objects) {
    try {
      found.push({ object, properties: await readProperties(session, what, object, paths) });
    } catch (error) {
      // A moref that was given by hand and does not exist is "none found".
      if (!(error instanceof EverthawError && error.code === 'VmNotFound')) throw error;
    }
  }
  return found;
}

function addressesOf(properties: Properties): readonly string[] | undefined {
  const cards = properties.get('guest.net');
  if (cards === undefined) return undefined;
  const told = [
    text(properties.get('guest.ipAddress')),
    ...arrayOf(cards).flatMap((card) => children(card, 'ipAddress').map((address) => text(address))),
  ];
  const addresses = told.flatMap((address) => canonicalAddress(address) ?? []).filter(isTelling);
  return [...new Set(addresses)];
}

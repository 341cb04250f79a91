import { EverthawError } from '../../domain/errors.js';
import type { RestorePlace, RestoreWish } from '../../domain/restores.js';
import { fileExists } from './datastoreFiles.js';
import { labelOnHost, parseStoragePath, type NamedDatastore } from './datastoreLabel.js';
import { formatDatastorePath } from './datastorePath.js';
import { placeOf } from './inventory.js';
import { datastoreOf, restorePlace, type VspherePlace } from './place.js';
import { listPlaces } from './places.js';
import { readAll, readProperties } from './properties.js';
import { returnValue } from './soapClient.js';
import type { VsphereSession } from './session.js';
import { readRef, text, type Ref } from './xml.js';

/** Finds folder, pool, host and datastores by the names that a catalog or manifest gives. @throws EverthawError RestorePlaceMissing */
export async function findPlace(session: VsphereSession, wish: RestoreWish): Promise<RestorePlace> {
  const { vm, disks, storage, network } = wish;
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
  const { datacenter } = await placeOf(session, folder);
  const here = await datastoresOf(session, datacenter);
  const labelOf = (path: string): string => {
    const { datastore } = parseStoragePath(storage === undefined ? path : `[${storage}]`);
    const label = labelOnHost(datastore, here, wish.datastores ?? []);
    if (label !== undefined) return label;
    throw placeMissing(
      'datastore',
      datastore,
      here.map(({ label: known }) => known),
    );
  };
  const datastore = labelOf(wish.configPath ?? disks[0]?.originalPath ?? '');
  const elsewhere = disks.flatMap(({ label = '', originalPath }): [string, string][] => {
    const own = labelOf(originalPath);
    return own === datastore ? [] : [[label, own]];
  });
  if (elsewhere.length > 0 && disks.every(({ format }) => format === 'vmdk-flat'))
    throw severalDatastores([datastore, ...elsewhere.map(([, own]) => own)]);
  return restorePlace({
    datacenter,
    datastore,
    folderId: folder.value,
    poolId: pool.value,
    hostId: wish.host === undefined ? '' : (await findHost(session, wish.host, pool, vm.resourcePool)).value,
    diskDatastores: new Map(elsewhere),
  });
}

/** Disks of old that are where the restored ones would be by their names. */
export async function existingFiles(
  session: VsphereSession,
  place: VspherePlace,
  { disks }: RestoreWish,
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const { label = '', originalPath } of disks) {
    const datastore = datastoreOf(place, label);
    const { path } = parseStoragePath(originalPath);
    if (path === '') continue;
    if (await fileExists(session, { datacenter: place.datacenter, datastore }, path))
      found.push(formatDatastorePath(datastore, path));
  }
  return found;
}

async function datastoresOf(session: VsphereSession, datacenter: string): Promise<readonly NamedDatastore[]> {
  const all = await readAll(session, 'list the datastores', 'Datastore', ['summary.name', 'summary.url']);
  const found: NamedDatastore[] = [];
  for (const { object, properties } of all) {
    if ((await placeOf(session, object)).datacenter !== datacenter) continue;
    found.push({ label: text(properties.get('summary.name')), url: text(properties.get('summary.url')) });
  }
  return found;
}

/** A host by its name, which must be one of those that the pool is of: the call would be refused half-way. */
async function findHost(session: VsphereSession, name: string, pool: Ref, poolPath: string): Promise<Ref> {
  const hosts = await readAll(session, 'list the hosts', 'HostSystem', ['name', 'parent']);
  const found = hosts.find(({ properties }) => text(properties.get('name')) === name);
  const names = hosts.map(({ properties }) => text(properties.get('name')));
  if (found === undefined) throw placeMissing('host', name, names);
  const owner = readRef(
    (await readProperties(session, `read resource pool ${poolPath}`, pool, ['owner'])).get('owner'),
  );
  if (readRef(found.properties.get('parent'))?.value === owner?.value) return found.object;
  const pools = (await listPlaces(session, 'resourcepools')).map(({ path }) => path);
  throw new EverthawError({
    code: 'RestorePlaceMissing',
    what: `restore to host "${name}"`,
    why: `resource pool ${poolPath} is not one of its; there are ${someOf(pools)}`,
    hint: 'name a resource pool of that host in the catalog, too',
  });
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
  const kind = type === 'Folder' ? 'folder' : 'resource pool';
  const known = await listPlaces(session, type === 'Folder' ? 'vmfolders' : 'resourcepools');
  throw placeMissing(
    kind,
    path,
    known.map((place) => place.path),
  );
}

function severalDatastores(names: readonly string[]): EverthawError {
  return new EverthawError({
    code: 'RestorePlaceMissing',
    what: `restore disks to ${[...new Set(names)].join(' and ')}`,
    why: 'disks that were backed up by nbdssl:datastore can only be restored to one datastore together',
    hint: 'name one with --storage, and move disks afterwards in the vSphere Client',
  });
}

function placeMissing(kind: string, name: string, known: readonly string[]): EverthawError {
  return new EverthawError({
    code: 'RestorePlaceMissing',
    what: `find ${kind} "${name}" to restore to`,
    why: `the host has none of that name${known.length === 0 ? '' : `; it has ${someOf(known)}`}`,
    hint: 'make it on the host, or restore elsewhere by an edited catalog (--catalog)',
  });
}

/** More than these nobody reads in an error. */
const SHOWN = 20;

function someOf(names: readonly string[]): string {
  const more = names.length - SHOWN;
  return `${[...names].sort().slice(0, SHOWN).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

import type { Place, PlaceKind, StorageDetails } from '../../domain/place.js';
import { directoryOfUrl } from './datastoreLabel.js';
import { decodeName, folderPaths, treePaths } from './inventory.js';
import { readAll } from './properties.js';
import type { VsphereSession } from './session.js';
import { children, text, type XmlInput } from './xml.js';

/** All places of a kind, in the order of their paths. */
export async function listPlaces(session: VsphereSession, kind: PlaceKind): Promise<readonly Place[]> {
  const places = await readPlaces(session, kind);
  return places.toSorted((one, other) => (one.path < other.path ? -1 : 1));
}

async function readPlaces(session: VsphereSession, kind: PlaceKind): Promise<readonly Place[]> {
  switch (kind) {
    case 'vmfolders':
      return vmFolders(session);
    case 'resourcepools': {
      const above = ['Datacenter', 'Folder', 'ComputeResource', 'ResourcePool'];
      const paths = await treePaths(session, above);
      const pools = await readAll(session, 'list the resource pools', 'ResourcePool', ['name']);
      return pools.map(({ object }) => ({ kind, id: object.value, path: paths.get(object.value) ?? '' }));
    }
    case 'datastores': {
      const stores = await readAll(session, 'list the datastores', 'Datastore', ['summary']);
      return stores.map(({ object, properties }) => {
        const summary = properties.get('summary');
        const path = decodeName(text(summary, 'name'));
        return { kind, id: object.value, path, storage: storageOf(summary) };
      });
    }
    case 'networks': {
      const networks = await readAll(session, 'list the networks', 'Network', ['name']);
      return networks.map(({ object, properties }) => ({
        kind,
        id: object.value,
        path: decodeName(text(properties.get('name'))),
      }));
    }
  }
}

/** Folders that can hold VMs: a datacenter has others for hosts, datastores and networks. */
async function vmFolders(session: VsphereSession): Promise<readonly Place[]> {
  const paths = await folderPaths(session);
  const folders = await readAll(session, 'list the folders', 'Folder', ['childType']);
  return folders
    .filter(({ properties }) =>
      children(properties.get('childType'), 'string').some((type) => text(type) === 'VirtualMachine'),
    )
    .map(({ object }) => ({ kind: 'vmfolders', id: object.value, path: paths.get(object.value) ?? '' }));
}

function storageOf(summary: XmlInput | undefined): StorageDetails {
  const url = text(summary, 'url');
  return {
    type: text(summary, 'type'),
    directory: directoryOfUrl(url),
    url,
    capacityBytes: Number(text(summary, 'capacity')),
    freeBytes: Number(text(summary, 'freeSpace')),
    accessible: text(summary, 'accessible') === 'true',
  };
}

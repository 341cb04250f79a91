import { dirname } from 'node:path';
import type { Place, PlaceKind } from '../../../domain/place.js';
import type { Virsh } from '../connection/virsh.js';
import { virshBatch } from '../connection/virshBatch.js';
import { parseTree } from '../xml/xmlTree.js';
import { readAllDomains } from './domains.js';
import { freeSpace } from './storage.js';

/** All places of a kind, in the order of their names. libvirt has no folders and no resource pools. */
export async function listPlaces(virsh: Virsh, kind: PlaceKind): Promise<readonly Place[]> {
  const places = await readPlaces(virsh, kind);
  return places.toSorted((one, other) => (one.path < other.path ? -1 : 1));
}

async function readPlaces(virsh: Virsh, kind: PlaceKind): Promise<readonly Place[]> {
  switch (kind) {
    case 'vmfolders':
    case 'resourcepools':
      return [];
    case 'datastores':
      return datastores(virsh);
    case 'networks':
      return networks(virsh);
  }
}

/** Storage pools, and directories in which VMs have disks though no pool is there. */
async function datastores(virsh: Virsh): Promise<readonly Place[]> {
  const pools = await readPools(virsh);
  const known = new Set(pools.map(({ storage }) => storage?.directory));
  const files = (await readAllDomains(virsh)).flatMap(({ domain }) =>
    domain.disks.filter(({ sourceType, device }) => sourceType === 'file' && device === 'disk'),
  );
  const directories = [...new Set(files.flatMap(({ path }) => (path === undefined ? [] : dirname(path))))];
  const spaces = await freeSpace(
    virsh.shell,
    directories.filter((directory) => !known.has(directory)),
  );
  const found = [...spaces].map(([directory, { kind, capacityBytes, freeBytes }]): Place => {
    const url = `file://${directory}`;
    const storage = { type: kind, directory, url, capacityBytes, freeBytes, accessible: true };
    return { kind: 'datastores', path: directory, id: directory, storage };
  });
  return [...pools, ...found];
}

async function readPools(virsh: Virsh): Promise<readonly Place[]> {
  const what = 'list the storage pools';
  const uuids = await uuidsOf(virsh, what, ['pool-list', '--all', '--uuid']);
  const active = new Set(await uuidsOf(virsh, what, ['pool-list', '--uuid']));
  const texts = await virshBatch(
    virsh,
    what,
    uuids.map((uuid) => ['pool-dumpxml', uuid]),
  );
  return uuids.flatMap((uuid, index): readonly Place[] => {
    const xml = texts[index];
    // It was removed meanwhile.
    if (xml === undefined) return [];
    const pool = parseTree(xml, 'pool');
    const directory = pool.at('target', 'path')?.text() ?? '';
    const storage = {
      type: pool.get('type') ?? '',
      directory,
      url: directory === '' ? '' : `file://${directory}`,
      capacityBytes: Number(pool.at('capacity')?.text() ?? 0),
      freeBytes: Number(pool.at('available')?.text() ?? 0),
      accessible: active.has(uuid),
    };
    return [{ kind: 'datastores', path: pool.at('name')?.wholeText() ?? '', id: uuid, storage }];
  });
}

async function networks(virsh: Virsh): Promise<readonly Place[]> {
  const what = 'list the networks';
  const uuids = await uuidsOf(virsh, what, ['net-list', '--all', '--uuid']);
  const texts = await virshBatch(
    virsh,
    what,
    uuids.map((uuid) => ['net-dumpxml', uuid]),
  );
  return uuids.flatMap((uuid, index): readonly Place[] => {
    const xml = texts[index];
    if (xml === undefined) return [];
    return [{ kind: 'networks', path: parseTree(xml, 'network').at('name')?.wholeText() ?? '', id: uuid }];
  });
}

async function uuidsOf(virsh: Virsh, what: string, words: readonly string[]): Promise<readonly string[]> {
  const listed = await virsh.run(what, words);
  return listed.split(/\s+/).filter((word) => word !== '');
}

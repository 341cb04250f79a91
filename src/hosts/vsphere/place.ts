import type { RestorePlace } from '../../domain/restores.js';
import type { DiskLabel } from '../../domain/vm.js';

/** A datastore within its datacenter. */
export interface DatastorePlace {
  readonly datacenter: string;
  readonly datastore: string;
}

/** Where a VM is restored to, in vSphere's own terms; `folderId`, `poolId` and `hostId` are moref values. */
export interface VspherePlace extends DatastorePlace {
  readonly folderId: string;
  readonly poolId: string;
  /** '' where the pool's cluster may choose. */
  readonly hostId: string;
  /** Datastores of disks that are not to lie beside the VM's own files. */
  readonly diskDatastores: ReadonlyMap<DiskLabel, string>;
}

/** What the ids of a place call a disk's datastore. */
const DISK = 'datastore of ';

export function restorePlace({ diskDatastores, ...place }: VspherePlace): RestorePlace {
  const datastores = [...new Set([place.datastore, ...diskDatastores.values()])];
  const disks = [...diskDatastores].map(([label, datastore]) => [`${DISK}${label}`, datastore]);
  return {
    storage: datastores.map((name) => `[${name}]`).join(', '),
    ids: { ...place, ...(Object.fromEntries(disks) as Record<string, string>) },
  };
}

/** Our own place back again: what it does not name is missing on the host, which says so. */
export function vspherePlace({ ids }: RestorePlace): VspherePlace {
  const { datacenter = '', datastore = '', folderId = '', poolId = '', hostId = '' } = ids;
  const disks = Object.entries(ids).filter(([key]) => key.startsWith(DISK));
  const diskDatastores = new Map(disks.map(([key, name]) => [key.slice(DISK.length), name]));
  return { datacenter, datastore, folderId, poolId, hostId, diskDatastores };
}

export function datastoreOf({ datastore, diskDatastores }: VspherePlace, label: DiskLabel): string {
  return diskDatastores.get(label) ?? datastore;
}

import type { RestorePlace } from '../../domain/runs.js';

/** A datastore within its datacenter. */
export interface DatastorePlace {
  readonly datacenter: string;
  readonly datastore: string;
}

/** Where a VM is restored to, in vSphere's own terms; `folderId` and `poolId` are moref values. */
export interface VspherePlace extends DatastorePlace {
  readonly folderId: string;
  readonly poolId: string;
}

export function restorePlace(place: VspherePlace): RestorePlace {
  return { storage: `[${place.datastore}]`, ids: { ...place } };
}

/** Our own place back again: what it does not name is missing on the host, which says so. */
export function vspherePlace({ ids }: RestorePlace): VspherePlace {
  const { datacenter = '', datastore = '', folderId = '', poolId = '' } = ids;
  return { datacenter, datastore, folderId, poolId };
}

/** Where VMs can be restored to (F11, vcbUtil -c). */
export const PLACE_KINDS = ['vmfolders', 'resourcepools', 'datastores', 'networks'] as const;
export type PlaceKind = (typeof PLACE_KINDS)[number];

/** A place: folders and resource pools by their path, datastores and networks by their name. */
export interface Place {
  readonly kind: PlaceKind;
  readonly path: string;
  /** The host's own id of it. */
  readonly id: string;
  /** Of a datastore only. */
  readonly storage?: StorageDetails;
}

export interface StorageDetails {
  /** VMFS, NFS; on libvirt the pool's type, or that of the file system. */
  readonly type: string;
  /** By what it is known on the host itself: `/vmfs/volumes/<uuid>` (F13), a directory on libvirt. */
  readonly directory: string;
  /** As the host writes it: `ds:///vmfs/volumes/<uuid>/`. */
  readonly url: string;
  readonly capacityBytes: number;
  readonly freeBytes: number;
  readonly accessible: boolean;
}

import type { Manifest } from './manifest.js';
import { ownEntry } from './ownEntry.js';
import type { PlaceWish } from './restores.js';

/** `[label] path`, or `/vmfs/volumes/<label or uuid>/path`. */
const STORAGE_PATH = /^(?:\[([^\]]+)\]\s*|(?:ds:\/\/)?\/vmfs\/volumes\/([^/]+)\/?)(.*)$/su;

/**
 * Where a VM goes on a host whose datastores have other names (F13): each path of `places`, or else of the manifest, on the datastore
 * that `map` has for its label or uuid, or for the label that its uuid had when the backup was taken. `notes` tell which.
 */
export function mapDatastores(
  { vm, disks, datastores }: Manifest,
  places: PlaceWish | undefined,
  map: Readonly<Record<string, string>>,
): { readonly places: PlaceWish | undefined; readonly notes: readonly string[] } {
  const notes = new Set<string>();
  const mapped = (path: string): string => {
    const [, label, directory, rest = ''] = STORAGE_PATH.exec(path) ?? [];
    const name = label ?? directory;
    if (name === undefined) return path;
    const then = datastores.find(({ url }) => url.split('/').includes(name))?.label;
    const target = ownEntry(map, name) ?? (then === undefined ? undefined : ownEntry(map, then));
    if (target === undefined) return path;
    notes.add(`what was on datastore ${JSON.stringify(name)} goes to ${JSON.stringify(target)}`);
    return `[${target}] ${rest}`;
  };
  const { folderPath, resourcePool } = places ?? vm;
  const paths =
    places?.diskPaths ?? Object.fromEntries(disks.map(({ label, originalPath }) => [label, originalPath]));
  const diskPaths = Object.fromEntries(Object.entries(paths).map(([label, path]) => [label, mapped(path)]));
  const configPath = places?.configPath === undefined ? {} : { configPath: mapped(places.configPath) };
  if (notes.size === 0) return { places, notes: [] };
  return {
    places: { ...places, folderPath, resourcePool, ...configPath, diskPaths },
    notes: [...notes],
  };
}

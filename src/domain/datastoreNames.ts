/** What a datastore is called: its label, and the directory that bears its uuid (F13). */
export interface DatastoreName {
  readonly label: string;
  /** `/vmfs/volumes/<uuid>`, without a closing slash. */
  readonly directory: string;
}

const VOLUMES = '/vmfs/volumes/';

/** The directory of a datastore's URL: `ds:///vmfs/volumes/<uuid>/` is `/vmfs/volumes/<uuid>`. */
export function directoryOfUrl(url: string): string {
  return url.replace(/^ds:\/\//, '').replace(/(?<=.)\/+$/, '');
}

/** Whether somebody who writes `name` means this datastore: by label, `[label]`, directory or URL, and by the link that bears its label. */
export function isCalled(name: string, { label, directory }: DatastoreName): boolean {
  if (name === label || name === `[${label}]`) return true;
  const wanted = directoryOfUrl(name);
  return wanted === directory || wanted === `${VOLUMES}${label}`;
}

/**
 * A file's path by label, `[label] dir/file`, as catalogs have it; from a path below a datastore's directory, or below the link of its
 * label. A path by label comes back as it is; undefined where none of the datastores holds it.
 */
export function pathByLabel(path: string, stores: readonly DatastoreName[]): string | undefined {
  if (path.startsWith('[')) return path;
  for (const { label, directory } of stores) {
    for (const above of [directory, `${VOLUMES}${label}`]) {
      const inside = insideOf(path, above);
      if (inside !== undefined) return `[${label}] ${inside}`.trimEnd();
    }
  }
  return undefined;
}

/** The other way: `[label] dir/file` as a path below the directory that bears the uuid; undefined where no datastore has that label. */
export function pathByUuid(path: string, stores: readonly DatastoreName[]): string | undefined {
  const store = stores.find(({ label }) => path === `[${label}]` || path.startsWith(`[${label}] `));
  if (store === undefined) return undefined;
  const inside = path.slice(store.label.length + 3);
  return inside === '' ? store.directory : `${store.directory}/${inside}`;
}

function insideOf(path: string, directory: string): string | undefined {
  if (path === directory) return '';
  return path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : undefined;
}

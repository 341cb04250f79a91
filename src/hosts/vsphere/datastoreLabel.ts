import { EverthawError } from '../../domain/errors.js';
import type { DatastoreInfo } from '../../domain/vm.js';
import type { DatastorePath } from './datastorePath.js';

/** A datastore by its label and its address: `ds:///vmfs/volumes/<uuid>/`. */
export type NamedDatastore = Pick<DatastoreInfo, 'label' | 'url'>;

/**
 * `[label] path`, `[uuid] path`, `/vmfs/volumes/<label or uuid>/path`, or any of them with the address of the datastore, taken apart.
 *
 * @throws EverthawError WrongUsage
 */
export function parseStoragePath(text: string): DatastorePath {
  const match =
    /^\[([^\]]+)\]\s*(.*)$/su.exec(text) ?? /^(?:ds:\/\/)?\/vmfs\/volumes\/([^/]+)(?:\/(.*))?$/su.exec(text);
  if (match?.[1] !== undefined) return { datastore: match[1], path: match[2] ?? '' };
  throw new EverthawError({
    code: 'WrongUsage',
    what: `find ${JSON.stringify(text)} to restore to`,
    why: 'it is not of the form "[datastore] path" or "/vmfs/volumes/<datastore>/path"',
    hint: 'write it as in the catalog that lies in the backup',
  });
}

/**
 * The label on this host of a datastore that was named by label or by uuid (F13): by its label here, by its uuid here, or by the label
 * that its uuid had when the backup was taken. Undefined where the host has none of these.
 */
export function labelOnHost(
  name: string,
  here: readonly NamedDatastore[],
  then: readonly NamedDatastore[],
): string | undefined {
  const labels = here.map(({ label }) => label);
  if (labels.includes(name)) return name;
  const byUuid = here.find(({ url }) => uuidOf(url) === name)?.label;
  if (byUuid !== undefined) return byUuid;
  const before = then.find(({ url }) => uuidOf(url) === name)?.label;
  return before !== undefined && labels.includes(before) ? before : undefined;
}

/** The last part of a datastore's address is what its directory below /vmfs/volumes is called. */
function uuidOf(url: string): string {
  return url.split('/').findLast((part) => part !== '') ?? '';
}

/** The directory of a datastore's address: `ds:///vmfs/volumes/<uuid>/` is `/vmfs/volumes/<uuid>`. */
export function directoryOfUrl(url: string): string {
  return url.replace(/^ds:\/\//, '').replace(/(?<=.)\/+$/, '');
}

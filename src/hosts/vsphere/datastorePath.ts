import { EverthawError } from '../../domain/errors.js';

/** `[datastore] dir/file.vmdk`, taken apart. */
export interface DatastorePath {
  readonly datastore: string;
  readonly path: string;
}

export function parseDatastorePath(text: string): DatastorePath {
  const match = /^\[([^\]]+)\]\s*(.*)$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) {
    throw new EverthawError({
      code: 'HostFault',
      what: `read datastore path ${JSON.stringify(text)}`,
      why: 'it is not of the form "[datastore] path"',
      hint: 'look at the VM’s settings in the vSphere Client',
    });
  }
  return { datastore: match[1], path: match[2] };
}

export function formatDatastorePath(datastore: string, path: string): string {
  return `[${datastore}] ${path}`;
}

export function directoryOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '';
}

/**
 * URL of a file on a datastore over HTTPS (`/folder`).
 *
 * @throws EverthawError WrongUsage where the path would lead out of the datastore, or no URL can say it
 */
export function folderUrl(base: URL, datacenter: string, datastore: string, path: string): URL {
  if (
    path.split('/').some((name) => name === '.' || name === '..') ||
    /\p{Cs}/u.test(path + datastore + datacenter)
  ) {
    throw new EverthawError({
      code: 'WrongUsage',
      what: `reach ${JSON.stringify(formatDatastorePath(datastore, path))}`,
      why: 'it has parts that lead elsewhere, or halves of characters',
      hint: 'name the file by its path from the top of the datastore',
    });
  }
  const url = new URL(`/folder/${path.split('/').map(encodeURIComponent).join('/')}`, base);
  url.searchParams.set('dcPath', datacenter);
  url.searchParams.set('dsName', datastore);
  return url;
}

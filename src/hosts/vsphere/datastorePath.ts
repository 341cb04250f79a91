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

/** URL of a file on a datastore over HTTPS (`/folder`). */
export function folderUrl(base: URL, datacenter: string, datastore: string, path: string): URL {
  const url = new URL(`/folder/${path.split('/').map(encodeURIComponent).join('/')}`, base);
  url.searchParams.set('dcPath', datacenter);
  url.searchParams.set('dsName', datastore);
  return url;
}

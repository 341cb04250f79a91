import { Agent, request } from 'undici';
import { EverthawError } from '../../domain/errors.js';
import { folderUrl, formatDatastorePath } from './datastorePath.js';
import { translate, VimFault } from './faults.js';
import { placeOf } from './inventory.js';
import type { DatastorePlace } from './place.js';
import { readAll, runTask } from './properties.js';
import type { VsphereSession } from './session.js';
import { trustingConnector } from './trust.js';
import { children, readRef, refXml, text } from './xml.js';

/** The answer to a cookie of a session that has ended: unlike a method, a file has no fault to say so by. */
const UNAUTHORIZED = 401;
const NOT_FOUND = 404;

/** A small text file of a datastore, or undefined where there is none. */
export async function readText(
  session: VsphereSession,
  place: DatastorePlace,
  path: string,
): Promise<string | undefined> {
  const what = `read ${formatDatastorePath(place.datastore, path)}`;
  const { status, body } = await ask(session, what, place, path, { method: 'GET' });
  return status === NOT_FOUND ? undefined : body;
}

/** Writes a small text file into a directory that is there. */
export async function writeText(
  session: VsphereSession,
  place: DatastorePlace,
  path: string,
  body: string,
): Promise<void> {
  const what = `write ${formatDatastorePath(place.datastore, path)}`;
  const { status } = await ask(session, what, place, path, { method: 'PUT', body });
  if (status === NOT_FOUND) throw translate(what, new VimFault('FileNotFound', ''));
}

export async function fileExists(
  session: VsphereSession,
  place: DatastorePlace,
  path: string,
): Promise<boolean> {
  const what = `look for ${formatDatastorePath(place.datastore, path)}`;
  return (await ask(session, what, place, path, { method: 'HEAD' })).status !== NOT_FOUND;
}

/** One request of the datastore's HTTPS access. @throws EverthawError for every answer but success and that it is not there */
async function ask(
  session: VsphereSession,
  what: string,
  place: DatastorePlace,
  path: string,
  { method, body }: { readonly method: 'GET' | 'HEAD' | 'PUT'; readonly body?: string },
): Promise<{ readonly status: number; readonly body: string }> {
  const agent = new Agent({ connect: trustingConnector(session.at.trust) });
  try {
    return await session.withCookie(async (cookie) => {
      const response = await request(folderUrl(session.url, place.datacenter, place.datastore, path), {
        method,
        dispatcher: agent,
        headers: { cookie: `vmware_soap_session=${cookie}` },
        ...(body === undefined ? {} : { body }),
      });
      const { statusCode: status } = response;
      if (status === UNAUTHORIZED) throw new VimFault('NotAuthenticated', '');
      if (status !== NOT_FOUND && (status < 200 || status > 299))
        throw new VimFault(`HTTP status ${status}`, '');
      return { status, body: await response.body.text() };
    });
  } catch (error) {
    throw translate(what, error);
  } finally {
    await agent.destroy();
  }
}

/** Names of what lies in a directory of a datastore, or undefined where there is none. */
export async function listDirectory(
  session: VsphereSession,
  place: DatastorePlace,
  directory: string,
): Promise<readonly string[] | undefined> {
  const what = `list ${formatDatastorePath(place.datastore, directory)}`;
  try {
    const { result } = await runTask(
      session,
      what,
      await browserOf(session, place),
      'SearchDatastore_Task',
      { datastorePath: formatDatastorePath(place.datastore, directory) },
      new AbortController().signal,
    );
    return children(result, 'file').map((file) => text(file, 'path'));
  } catch (error) {
    if (isFault(error, 'FileNotFound')) return undefined;
    throw error;
  }
}

/** Makes a directory on a datastore. @throws EverthawError RestoreTargetExists */
export async function makeDirectory(
  session: VsphereSession,
  place: DatastorePlace,
  directory: string,
): Promise<void> {
  const what = `make directory ${formatDatastorePath(place.datastore, directory)}`;
  const { fileManager } = await session.content();
  await session.call(what, fileManager, 'MakeDirectory', {
    name: formatDatastorePath(place.datastore, directory),
    datacenter: refXml(await datacenterRef(session, place.datacenter)),
    createParentDirectories: false,
  });
}

/** Deletes a file or directory on a datastore; one that is not there is what was wanted. */
export async function deletePath(
  session: VsphereSession,
  place: DatastorePlace,
  path: string,
): Promise<void> {
  const what = `delete ${formatDatastorePath(place.datastore, path)}`;
  const { fileManager } = await session.content();
  try {
    await runTask(
      session,
      what,
      fileManager,
      'DeleteDatastoreFile_Task',
      {
        name: formatDatastorePath(place.datastore, path),
        datacenter: refXml(await datacenterRef(session, place.datacenter)),
      },
      new AbortController().signal,
    );
  } catch (error) {
    if (!isFault(error, 'FileNotFound')) throw error;
  }
}

function isFault(error: unknown, type: string): boolean {
  return error instanceof EverthawError && error.cause instanceof VimFault && error.cause.type === type;
}

async function browserOf(session: VsphereSession, { datacenter, datastore }: DatastorePlace) {
  const all = await readAll(session, 'list the datastores', 'Datastore', ['summary.name', 'browser']);
  for (const { object, properties } of all) {
    const browser = readRef(properties.get('browser'));
    if (text(properties.get('summary.name')) !== datastore || browser === undefined) continue;
    if ((await placeOf(session, object)).datacenter === datacenter) return browser;
  }
  throw new EverthawError({
    code: 'HostFault',
    what: `find datastore "${datastore}"`,
    why: `the host has none of that name in "${datacenter}"`,
    hint: 'see that the backup user may browse it',
  });
}

async function datacenterRef(session: VsphereSession, path: string) {
  const all = await readAll(session, 'list the datacenters', 'Datacenter', ['name']);
  for (const { object } of all) {
    if ((await placeOf(session, object)).datacenter === path) return object;
  }
  throw new EverthawError({
    code: 'HostFault',
    what: `find datacenter "${path}"`,
    why: 'the host has none of that name',
    hint: 'name another in the catalog',
  });
}

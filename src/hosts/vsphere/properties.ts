import { EverthawError } from '../../domain/errors.js';
import { translate, faultOfMethod, VimFault } from './faults.js';
import { returnValue } from './soapClient.js';
import type { VsphereSession } from './session.js';
import {
  child,
  children,
  readRef,
  refXml,
  text,
  typeOf,
  type Ref,
  type XmlElement,
  type XmlInput,
} from './xml.js';

/** Properties of one object: path -> value as the host wrote it. */
export type Properties = ReadonlyMap<string, XmlInput>;

const PAGE = 1000;

/** Reads properties of one object; an unset property is missing from the answer. */
export async function readProperties(
  session: VsphereSession,
  what: string,
  object: Ref,
  paths: readonly string[],
): Promise<Properties> {
  const found = await retrieve(session, what, propertySpec(object.type, paths), { obj: refXml(object) });
  return found[0]?.properties ?? new Map();
}

/** Reads properties of all objects of a type below the root folder, by pages. */
export function readAll(
  session: VsphereSession,
  what: string,
  type: string,
  paths: readonly string[],
): Promise<readonly { object: Ref; properties: Properties }[]> {
  return withinLogin(session, () => readAllByView(session, what, type, paths));
}

async function readAllByView(
  session: VsphereSession,
  what: string,
  type: string,
  paths: readonly string[],
): Promise<readonly { object: Ref; properties: Properties }[]> {
  const content = await session.content();
  const view = readRef(
    returnValue(
      await session.call(what, content.viewManager, 'CreateContainerView', {
        container: refXml(content.rootFolder),
        type,
        recursive: true,
      }),
    ),
  );
  if (view === undefined) throw new Error(`${what}: the host made no view`);
  try {
    return await retrieve(session, what, propertySpec(type, paths), {
      obj: refXml(view),
      skip: true,
      selectSet: { '@xsi:type': 'TraversalSpec', type: 'ContainerView', path: 'view', skip: false },
    });
  } finally {
    await session.call(what, view, 'DestroyView').catch(() => undefined);
  }
}

/**
 * Waits until properties of an object are as `done` wants them and returns them. The server tells of changes
 * (WaitForUpdatesEx), so nothing is polled.
 */
export function waitForProperties(
  session: VsphereSession,
  what: string,
  object: Ref,
  paths: readonly string[],
  done: (properties: Properties) => boolean,
  signal: AbortSignal,
): Promise<Properties> {
  return withinLogin(session, () => waitByCollector(session, what, object, paths, done, signal));
}

/** Does `work` again when a new login has made void what it was working with on the host. */
async function withinLogin<T>(session: VsphereSession, work: () => Promise<T>): Promise<T> {
  while (true) {
    await session.content();
    const { sessions } = session;
    try {
      return await work();
    } catch (error) {
      const isGone =
        error instanceof EverthawError &&
        error.cause instanceof VimFault &&
        error.cause.type === 'ManagedObjectNotFound';
      if (!isGone || session.sessions === sessions) throw error;
    }
  }
}

async function waitByCollector(
  session: VsphereSession,
  what: string,
  object: Ref,
  paths: readonly string[],
  done: (properties: Properties) => boolean,
  signal: AbortSignal,
): Promise<Properties> {
  const content = await session.content();
  const collector = readRef(
    returnValue(await session.call(what, content.propertyCollector, 'CreatePropertyCollector')),
  );
  if (collector === undefined) throw new Error(`${what}: the host made no property collector`);
  try {
    await session.call(what, collector, 'CreateFilter', {
      spec: { propSet: propertySpec(object.type, paths), objectSet: { obj: refXml(object) } },
      partialUpdates: false,
    });
    const seen = new Map<string, XmlInput>();
    let version = '';
    while (true) {
      const update = returnValue(
        await session.call(
          what,
          collector,
          'WaitForUpdatesEx',
          { version, options: { maxWaitSeconds: 20 } },
          { timeoutMs: 60_000, signal },
        ),
      );
      if (update === undefined) continue;
      version = text(update, 'version');
      for (const set of children(update, 'filterSet')) {
        for (const change of children(child(set, 'objectSet'), 'changeSet')) {
          seen.set(text(change, 'name'), child(change, 'val') ?? '');
        }
      }
      if (done(seen)) return seen;
    }
  } finally {
    await session.call(what, collector, 'DestroyPropertyCollector').catch(() => undefined);
  }
}

export interface TaskOutcome {
  readonly result: XmlInput | undefined;
  readonly durationMs: number;
}

/** Waits for a task to end. @throws EverthawError what the task failed with. */
export async function waitForTask(
  session: VsphereSession,
  what: string,
  task: Ref,
  signal: AbortSignal,
): Promise<TaskOutcome> {
  const properties = await waitForProperties(
    session,
    what,
    task,
    ['info'],
    (seen) => ['success', 'error'].includes(text(seen.get('info'), 'state')),
    signal,
  );
  const info = properties.get('info');
  if (text(info, 'state') === 'error') throw translate(what, faultOfMethod(child(info, 'error') ?? {}));
  const durationMs = Date.parse(text(info, 'completeTime')) - Date.parse(text(info, 'startTime'));
  return {
    result: child(info, 'result'),
    durationMs: Number.isFinite(durationMs) ? Math.max(0, durationMs) : 0,
  };
}

/** Starts a task and waits for its end. */
export async function runTask(
  session: VsphereSession,
  what: string,
  self: Ref,
  method: string,
  parameters: Record<string, XmlInput>,
  signal: AbortSignal,
): Promise<TaskOutcome> {
  const task = readRef(returnValue(await session.call(what, self, method, parameters)));
  if (task === undefined) throw new Error(`${what}: the host started no task`);
  return waitForTask(session, what, task, signal);
}

/** Elements of an `ArrayOf…` value. */
export function arrayOf(value: XmlInput | undefined): readonly XmlInput[] {
  const type = typeOf(value).replace(/^ArrayOf/, '');
  return type === '' ? [] : children(value, type);
}

function propertySpec(type: string, paths: readonly string[]): XmlElement {
  return { type, all: false, pathSet: paths };
}

async function retrieve(
  session: VsphereSession,
  what: string,
  propSet: XmlElement,
  objectSet: XmlElement,
): Promise<readonly { object: Ref; properties: Properties }[]> {
  const { propertyCollector } = await session.content();
  const found: { object: Ref; properties: Properties }[] = [];
  let page = returnValue(
    await session.call(what, propertyCollector, 'RetrievePropertiesEx', {
      specSet: { propSet, objectSet },
      options: { maxObjects: PAGE },
    }),
  );
  while (page !== undefined) {
    for (const object of children(page, 'objects')) {
      const reference = readRef(child(object, 'obj'));
      if (reference === undefined) continue;
      const properties = new Map(
        children(object, 'propSet').map((set) => [text(set, 'name'), child(set, 'val') ?? '']),
      );
      found.push({ object: reference, properties });
    }
    const token = text(page, 'token');
    if (token === '') break;
    page = returnValue(
      await session.call(what, propertyCollector, 'ContinueRetrievePropertiesEx', { token }),
    );
  }
  return found;
}

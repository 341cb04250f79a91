import { messageOf } from '../../domain/errors.js';
import type { Finding } from '../../domain/finding.js';
import { formatTransport, type Transport } from '../../domain/transport.js';
import type { VmDescription } from '../../domain/vm.js';
import { whyClosed } from '../../system/tcpPort.js';
import { decodeName, findVm } from './inventory.js';
import { needsOf, type PrivilegeObject } from './privileges.js';
import { arrayOf, readProperties } from './properties.js';
import type { VsphereSession } from './session.js';
import { child, children, readRef, refXml, text, type Ref, type XmlInput } from './xml.js';

/** Where an ESX host serves the disks of a lease. */
const ESX_PORT = 443;

/** What a backup of a VM needs beside what its description tells: that it is no template, privileges, its ESX host. */
export async function examineVm(
  session: VsphereSession,
  vm: VmDescription,
  transport: Transport,
  restoring: boolean,
): Promise<readonly Finding[]> {
  const on = `VM "${vm.name}"`;
  return [
    ...examineTemplate(vm, on),
    ...(await examinePrivileges(session, vm, transport, restoring)),
    ...(transport.via === 'lease' ? await examineEsx(session, vm) : []),
  ];
}

function examineTemplate({ isTemplate }: VmDescription, on: string): readonly Finding[] {
  if (isTemplate === undefined) return [];
  return [
    {
      check: 'template',
      on,
      state: 'failed',
      found: 'it is a template, of which vSphere takes no snapshots',
      todo: 'convert it to a VM for the backup, or clone it and back the clone up',
    },
  ];
}

/** A managed object that privileges are asked on, with the name that people know it by. */
interface Named {
  readonly object: Ref;
  readonly name: string;
}

async function examinePrivileges(
  session: VsphereSession,
  vm: VmDescription,
  transport: Transport,
  restoring: boolean,
): Promise<readonly Finding[]> {
  const looked = { check: 'privileges', on: `VM "${vm.name}"` };
  try {
    const { asked, missing } = await askPrivileges(session, vm, transport, restoring);
    const by = `${formatTransport(transport)}${restoring ? ' and for restoring' : ''}`;
    if (missing.length === 0)
      return [{ ...looked, state: 'ok', found: `all ${asked} that are needed by ${by}` }];
    return missing.map((found) => ({
      ...looked,
      state: 'failed',
      found,
      todo: `give "${session.at.username}" a role with it there (docs/privileges.md)`,
    }));
  } catch (error) {
    // A user may lack the right to ask, and have all that a backup needs.
    const todo = 'compare its role with docs/privileges.md';
    return [{ ...looked, state: 'not known', found: messageOf(error), todo }];
  }
}

interface Asked {
  /** How many privileges were asked for. */
  readonly asked: number;
  /** What is missing, in words. */
  readonly missing: readonly string[];
}

async function askPrivileges(
  session: VsphereSession,
  vm: VmDescription,
  transport: Transport,
  restoring: boolean,
): Promise<Asked> {
  const what = `ask for the privileges of "${session.at.username}"`;
  const { authorizationManager, sessionManager } = await session.content();
  if (authorizationManager === undefined) throw new Error('the host offers nobody to ask');
  const current = await readProperties(session, what, sessionManager, ['currentSession']);
  // By the session, not by the user's name: names have several forms, and groups come with the session.
  const sessionId = text(current.get('currentSession'), 'key');
  const objects = await objectsOf(session, vm);
  const missing: string[] = [];
  let asked = 0;
  for (const { step, privileges, on } of needsOf(transport, restoring)) {
    for (const { object, name } of objects[on]) {
      const answer = await session.call(what, authorizationManager, 'HasPrivilegeOnEntities', {
        entity: [refXml(object)],
        sessionId,
        privId: privileges,
      });
      const told = children(child(answer, 'returnval'), 'privAvailability');
      if (told.length !== privileges.length) throw new Error(`the host did not answer for ${on} "${name}"`);
      asked += told.length;
      const denied = told.filter((each) => text(each, 'isGranted') !== 'true');
      missing.push(
        ...denied.map((each) => `${text(each, 'privId')} is missing on ${on} "${name}" (for: ${step})`),
      );
    }
  }
  return { asked, missing };
}

async function objectsOf(
  session: VsphereSession,
  { name, instanceUuid }: VmDescription,
): Promise<Readonly<Record<PrivilegeObject, readonly Named[]>>> {
  const what = `read where "${name}" lies`;
  const vm = await findVm(session, instanceUuid);
  const properties = await readProperties(session, what, vm, [
    'parent',
    'resourcePool',
    'datastore',
    'network',
  ]);
  const named = async (references: readonly (XmlInput | undefined)[]): Promise<readonly Named[]> => {
    const found: Named[] = [];
    for (const reference of references) {
      const object = readRef(reference);
      if (object === undefined) continue;
      const own = (await readProperties(session, what, object, ['name'])).get('name');
      found.push({ object, name: decodeName(text(own)) });
    }
    return found;
  };
  return {
    VM: [{ object: vm, name }],
    folder: await named([properties.get('parent')]),
    'resource pool': await named([properties.get('resourcePool')]),
    datastore: await named(arrayOf(properties.get('datastore'))),
    network: await named(arrayOf(properties.get('network'))),
  };
}

/** Streams come from the ESX host itself. The host may be known here by another name than to its vCenter, so that it is a warning. */
async function examineEsx(session: VsphereSession, { host }: VmDescription): Promise<readonly Finding[]> {
  const { apiType } = await session.content();
  if (apiType !== 'VirtualCenter') return [];
  const on = `${host}:${ESX_PORT}`;
  const why = await whyClosed(host, ESX_PORT);
  if (why === undefined) return [{ check: 'ESX host', on, state: 'ok', found: 'it can be reached' }];
  return [
    {
      check: 'ESX host',
      on,
      state: 'warning',
      found: `${why}; by nbdssl:lease the disks come from there`,
      todo: `see that this proxy resolves "${host}" and reaches its port ${ESX_PORT}, or use nbdssl:datastore`,
    },
  ];
}

import type { Settings } from '../config/settings.js';
import { EverthawError } from '../domain/errors.js';
import { formatBytes } from '../domain/format.js';
import { PLACE_KINDS, type Place, type PlaceKind } from '../domain/place.js';
import type { Host } from '../hosts/host.js';
import { accessHost } from './accessHost.js';
import { Output } from './output.js';
import { formatTable } from './table.js';
import { oneOf } from './values.js';

const STORAGE_HEADINGS = ['DATASTORE', 'TYPE', 'CAPACITY', 'FREE', 'ACCESSIBLE', 'DIRECTORY'] as const;
const HEADINGS: Readonly<Record<Exclude<PlaceKind, 'datastores'>, string>> = {
  vmfolders: 'FOLDER',
  resourcepools: 'RESOURCE POOL',
  networks: 'NETWORK',
};

/** Places of one kind, or of all that the host has. */
export async function listPlaces(
  settings: Settings,
  kindText: string | undefined,
  json: boolean,
): Promise<void> {
  const kind = kindText === undefined ? undefined : oneOf('the kind of place', kindText, PLACE_KINDS);
  const output = new Output(json);
  const { host } = await accessHost(settings);
  try {
    if (kind !== undefined) requireKind(host, kind);
    for (const each of kind === undefined ? host.placeKinds : [kind]) {
      const places = await host.listPlaces(each);
      if (json) for (const place of places) output.result(place, []);
      else for (const line of tableOf(each, places)) output.say(line);
    }
  } finally {
    await host.logout();
  }
}

/** @throws EverthawError where this kind of host has none */
function requireKind({ placeKinds, identity }: Host, kind: PlaceKind): void {
  if (placeKinds.includes(kind)) return;
  throw new EverthawError({
    code: 'WrongUsage',
    what: `list ${kind} of "${identity.address}"`,
    why: `${identity.product} has none`,
    hint: `ask for ${placeKinds.join(' or ')}`,
  });
}

function tableOf(kind: PlaceKind, places: readonly Place[]): readonly string[] {
  if (kind !== 'datastores')
    return formatTable(
      [HEADINGS[kind]],
      places.map(({ path }) => [path]),
    );
  return formatTable(
    STORAGE_HEADINGS,
    places.map(({ path, storage }) => [
      path,
      storage?.type ?? '',
      formatBytes(storage?.capacityBytes ?? 0),
      formatBytes(storage?.freeBytes ?? 0),
      storage?.accessible === true ? 'yes' : 'no',
      storage?.directory ?? '',
    ]),
  );
}

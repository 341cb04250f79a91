import { mapAtMost } from '../system/mapAtMost.js';
import { withinTime } from '../system/withinTime.js';
import { messageOf } from '../domain/errors.js';
import type { HoldingKind } from '../domain/holding.js';
import type { HostEntry } from '../hosts/register.js';
import type { FoundHolding, ListedHost, ReleaseTools } from './kind.js';
import { KINDS, SWEEP_ORDER } from './kinds.js';

const HOSTS_AT_ONCE = 8;
/** A host that has not answered by then is passed over. */
const HOST_PATIENCE_MS = 60_000;

/** What could not be listed: it may hold things that nobody sees now. */
export interface Trouble {
  readonly what: string;
  readonly why: string;
  readonly hostUuid?: string;
  /** Nothing of that host could be seen: it does not answer. */
  readonly isSilent?: boolean;
}

export interface Listing {
  readonly found: readonly FoundHolding[];
  readonly troubles: readonly Trouble[];
}

/** Who sweeps, besides what releasing needs. */
export interface SweepTools extends ReleaseTools {
  /** Name of its own login sessions: {@link processName}. */
  readonly user: string;
  /** Whether it is this proxy's worker that sweeps, which knows that it does nothing else now. */
  readonly isWorker?: boolean;
  /** Whether a run that is let go of may go on one day: what it wrote stays until nothing else of it is left. */
  readonly mayRunsComeBack?: boolean;
}

/**
 * Everything that exists of every kind, in the order in which it can be let go: all hosts and all kinds beside each other. A host
 * that does not answer, or a kind that cannot be listed, keeps no other from being found.
 */
export async function listAll(tools: SweepTools): Promise<Listing> {
  const troubles: Trouble[] = [];
  const entries = await tools.hosts.registered((loan, error) => {
    troubles.push({ what: `read the register's entry ${loan}`, why: messageOf(error) });
  });
  const offsets = new Map<string, number>();
  const onHosts = await mapAtMost(HOSTS_AT_ONCE, entries, async (entry) => {
    try {
      const { host, offsetMs } = await withinTime('answer', HOST_PATIENCE_MS, openListed(tools, entry));
      offsets.set(entry.uuid, offsetMs);
      const ageMs = (at: string): number => Date.now() + offsetMs - Date.parse(at);
      return await listHost({ host, entry, ageMs }, troubles);
    } catch (error) {
      const what = `look at host ${entry.address}`;
      troubles.push({ what, why: messageOf(error), hostUuid: entry.uuid, isSilent: true });
      return [];
    }
  });
  const onProxy = await listProxy(tools, offsets, troubles);
  const found = [...onHosts.flat(), ...onProxy];
  const rank = (kind: HoldingKind): number => SWEEP_ORDER.indexOf(kind);
  return { found: found.toSorted((one, other) => rank(one.kind) - rank(other.kind)), troubles };
}

async function openListed({ hosts, user }: SweepTools, entry: HostEntry) {
  const host = await hosts.open(entry.uuid, user);
  return { host, offsetMs: (await host.now()).getTime() - Date.now() };
}

function listHost(at: ListedHost, troubles: Trouble[]): Promise<readonly FoundHolding[]> {
  return listEach(SWEEP_ORDER, troubles, at.entry, (kind) => {
    const { list } = KINDS[kind];
    return list.on === 'host' ? list.find(at) : Promise.resolve([]);
  });
}

function listProxy(
  tools: SweepTools,
  offsets: ReadonlyMap<string, number>,
  troubles: Trouble[],
): Promise<readonly FoundHolding[]> {
  const ageMs = ({ hostUuid, takenAt }: { hostUuid: string; takenAt: string }): number | undefined => {
    const offset = offsets.get(hostUuid);
    return offset === undefined ? undefined : Date.now() + offset - Date.parse(takenAt);
  };
  return listEach(SWEEP_ORDER, troubles, undefined, (kind) => {
    const { list } = KINDS[kind];
    return list.on === 'proxy' ? list.find({ ...tools, ageMs }) : Promise.resolve([]);
  });
}

async function listEach(
  kinds: readonly HoldingKind[],
  troubles: Trouble[],
  entry: HostEntry | undefined,
  find: (kind: HoldingKind) => Promise<readonly FoundHolding[]>,
): Promise<readonly FoundHolding[]> {
  const where = entry === undefined ? 'on this proxy' : `on ${entry.address}`;
  const found = kinds.map(async (kind) => {
    const what = `list things of kind ${kind} ${where}`;
    try {
      return await withinTime(what, HOST_PATIENCE_MS, find(kind));
    } catch (error) {
      troubles.push({
        what,
        why: messageOf(error),
        ...(entry === undefined ? {} : { hostUuid: entry.uuid }),
      });
      return [];
    }
  });
  return (await Promise.all(found)).flat();
}

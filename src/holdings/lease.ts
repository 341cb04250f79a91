import type { Absence } from '../domain/holding.js';
import type { OwnerRecord } from '../domain/owner.js';
import type { LeaseNotes } from '../hosts/exports.js';
import {
  agedOn,
  GONE,
  runOf,
  vmOf,
  type HoldingOf,
  type Kind,
  type ListedProxy,
  type ReleaseTools,
} from './kind.js';
import type { HoldingRecords } from './records.js';

type LeaseKind = 'exportLease' | 'importLease';

/** Takes a lease: the note is written before the host is asked, and completed with the lease's id. */
export function leaseNotes(
  kind: LeaseKind,
  records: HoldingRecords,
  owner: OwnerRecord,
  vmName: string,
): LeaseNotes {
  return {
    intend: () => records.write(kind, { owner, vmName }),
    taken: (id) => records.write(kind, { owner, vmName, id }),
  };
}

/**
 * A lease of the host, which cannot be listed there: the proxy's note has its id. Without an id (its taker died in between, or the note is damaged)
 * the run's login session is ended, and with it every lease that was taken in it.
 */
function leaseKind(kind: LeaseKind): Kind<'exportLease'> & Kind<'importLease'> {
  return {
    async release(holding: HoldingOf<LeaseKind>, { hosts, records }: ReleaseTools) {
      if (!(await records.has(kind, holding.run))) return;
      const id = (await records.read(kind, holding.run))?.id;
      if (id === undefined) {
        await hosts.end(holding.vm.hostUuid, holding.run.runId);
      } else {
        const host = await hosts.open(holding.vm.hostUuid, holding.run.runId);
        await host.abortLease(id);
      }
      await records.remove(kind, holding.run);
    },

    async absence(holding: HoldingOf<LeaseKind>, { records }: ReleaseTools): Promise<Absence> {
      if (!(await records.has(kind, holding.run))) return GONE;
      const id = (await records.read(kind, holding.run))?.id;
      return { state: 'present', why: `lease ${id ?? 'without an id'} is noted` };
    },

    list: { on: 'proxy', find: (at: ListedProxy) => findNoted(kind, at) },
  };
}

async function findNoted(kind: LeaseKind, at: ListedProxy) {
  const { proxy, records } = at;
  return (await records.list(kind)).map(({ owner, vmName, id }) => ({
    kind,
    key: owner.runId,
    what: `${kind === 'exportLease' ? 'export' : 'import'} lease ${id ?? '(not known)'} of VM "${vmName}"`,
    owner,
    hostUuid: owner.hostUuid,
    // An upload may take as long as it likes: no VM grows meanwhile.
    ...(kind === 'exportLease' ? agedOn(at, owner) : {}),
    holding: { kind, proxy, run: runOf(owner), vm: vmOf(owner, vmName) },
  }));
}

export const exportLease = leaseKind('exportLease');
export const importLease = leaseKind('importLease');

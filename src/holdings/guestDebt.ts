import { parseOwner } from '../domain/owner.js';
import type { GuestControl } from '../hosts/guestControl.js';
import { GONE, runOf, vmOf, type HoldingOf, type Kind, type ListedHost, type ReleaseTools } from './kind.js';

type GuestKind = 'pausedApplication' | 'freeze';

/**
 * What a guest is owed, on hosts where that is our part: its application was paused by the pre-freeze script, its file systems
 * were frozen. The note of it lies on the host beside the snapshot.
 */
function guestKind(
  kind: GuestKind,
  letGo: (guest: GuestControl, vmUuid: string, runId: string) => Promise<unknown>,
): Kind<'pausedApplication'> & Kind<'freeze'> {
  return {
    async release(holding: HoldingOf<GuestKind>, tools: ReleaseTools) {
      const guest = await guestOf(holding, tools);
      if (guest !== undefined) await letGo(guest, holding.vm.instanceUuid, holding.run.runId);
    },

    async absence(holding: HoldingOf<GuestKind>, tools: ReleaseTools) {
      const guest = await guestOf(holding, tools);
      return guest === undefined ? GONE : guest.absence(kind, holding.vm.instanceUuid, holding.run.runId);
    },

    list: { on: 'host', find: (at: ListedHost) => find(kind, at) },
  };
}

async function guestOf(
  { vm, run }: HoldingOf<GuestKind>,
  { hosts }: ReleaseTools,
): Promise<GuestControl | undefined> {
  const { guest } = await hosts.open(vm.hostUuid, run.runId);
  return 'scriptsRunBy' in guest ? undefined : guest;
}

async function find(kind: GuestKind, { host, entry, ageMs }: ListedHost) {
  const { guest } = host;
  if ('scriptsRunBy' in guest) return [];
  const debts = (await guest.debts()).filter((debt) => debt.kind === kind);
  return debts.map(({ vmUuid, vmName, description }) => {
    const owner = parseOwner(description);
    return {
      kind,
      key: `${vmUuid} ${owner?.runId ?? description}`,
      what: `${kind === 'freeze' ? 'freeze' : 'paused application'} of VM "${vmName}" on ${entry.address}`,
      owner,
      vmUuid,
      hostUuid: entry.uuid,
      ...(owner === undefined ? {} : { ageMs: ageMs(owner.takenAt) }),
      holding: owner === undefined ? undefined : { kind, run: runOf(owner), vm: vmOf(owner, vmName) },
    };
  });
}

export const freeze = guestKind('freeze', (guest, vmUuid, runId) => guest.thaw(vmUuid, runId));
export const pausedApplication = guestKind('pausedApplication', (guest, vmUuid, runId) =>
  guest.resumeApplication(vmUuid, runId),
);

import { parseOwner } from '../domain/owner.js';
import type { GuestControl } from '../hosts/guestControl.js';
import { GONE, runOf, vmOf, type HoldingOf, type Kind, type ReleaseTools } from './kind.js';

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

    list: (tools: ReleaseTools) => list(kind, tools),
  };
}

async function guestOf(
  { vm, run }: HoldingOf<GuestKind>,
  { hosts }: ReleaseTools,
): Promise<GuestControl | undefined> {
  const { guest } = await hosts.open(vm.hostUuid, run.runId);
  return 'scriptsRunBy' in guest ? undefined : guest;
}

async function list(kind: GuestKind, { hosts }: ReleaseTools) {
  const found = [];
  for (const entry of await hosts.registered()) {
    const { guest } = await hosts.open(entry.uuid, 'sweeper');
    if ('scriptsRunBy' in guest) continue;
    for (const debt of await guest.debts()) {
      if (debt.kind !== kind) continue;
      const owner = parseOwner(debt.description);
      found.push({
        kind,
        what: `${kind === 'freeze' ? 'freeze' : 'paused application'} of VM "${debt.vmName}" on ${entry.address}`,
        owner,
        vmUuid: debt.vmUuid,
        holding: owner === undefined ? undefined : { kind, run: runOf(owner), vm: vmOf(owner, debt.vmName) },
      });
    }
  }
  return found;
}

export const freeze = guestKind('freeze', (guest, vmUuid, runId) => guest.thaw(vmUuid, runId));
export const pausedApplication = guestKind('pausedApplication', (guest, vmUuid, runId) =>
  guest.resumeApplication(vmUuid, runId),
);

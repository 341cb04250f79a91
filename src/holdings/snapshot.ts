import { isErrorWithCode } from '../domain/errors.js';
import { SNAPSHOT_NAME } from '../domain/names.js';
import { parseOwner } from '../domain/owner.js';
import type { SnapshotInfo } from '../domain/vm.js';
import { GONE, runOf, vmOf, type HoldingOf, type Kind } from './kind.js';

/** A snapshot on the host, its owner in its description. Released by its owner record, whatever its id. */
export const snapshot: Kind<'snapshot'> = {
  async release(holding, { hosts }) {
    const host = await hosts.open(holding.vm.hostUuid, holding.run.runId);
    try {
      for (const found of await host.listSnapshots(holding.vm.instanceUuid)) {
        if (isOf(holding)(found)) await host.commitSnapshot(holding.vm.instanceUuid, found.id);
      }
    } catch (error) {
      // Nothing can be removed from a VM that is not there; what that means is for `absence` to say.
      if (!isErrorWithCode(error, 'VmNotFound')) throw error;
    }
  },

  async absence(holding, { hosts }) {
    const host = await hosts.open(holding.vm.hostUuid, holding.run.runId);
    try {
      return await host.snapshotAbsence(holding.vm.instanceUuid, isOf(holding));
    } catch (error) {
      // A VM that is not registered there any more has no snapshot there; if it comes back, so does the owner record.
      if (isErrorWithCode(error, 'VmNotFound')) return GONE;
      throw error;
    }
  },

  async list({ hosts }) {
    const found = [];
    for (const entry of await hosts.registered()) {
      const host = await hosts.open(entry.uuid, 'sweeper');
      const now = await host.now();
      for (const { vmUuid, vmName, snapshot: info } of await host.listAllSnapshots(SNAPSHOT_NAME)) {
        const owner = parseOwner(info.description);
        found.push({
          kind: 'snapshot' as const,
          what: `snapshot ${info.id} of VM "${vmName}" on ${entry.address}`,
          owner,
          vmUuid,
          ageMs: now.getTime() - Date.parse(info.createdAt),
          holding:
            owner === undefined
              ? undefined
              : { kind: 'snapshot' as const, run: runOf(owner), vm: vmOf(owner, vmName) },
        });
      }
    }
    return found;
  },
};

/** Picks the snapshots of a holding's run on its own VM: a clone's copy of the record names another VM and is not ours. */
export function isOf(holding: HoldingOf<'snapshot'>): (found: SnapshotInfo) => boolean {
  return ({ name, description }) => {
    const owner = parseOwner(description);
    return (
      name === SNAPSHOT_NAME && owner?.runId === holding.run.runId && owner.vmUuid === holding.vm.instanceUuid
    );
  };
}

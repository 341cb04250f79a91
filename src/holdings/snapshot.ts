import { EverthawError, isErrorWithCode } from '../domain/errors.js';
import { SNAPSHOT_NAME } from '../domain/names.js';
import { parseOwner } from '../domain/owner.js';
import type { SnapshotInfo } from '../domain/vm.js';
import type { Host } from '../hosts/host.js';
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

  list: {
    on: 'host',
    async find({ host, entry, ageMs }) {
      return (await host.listAllSnapshots(SNAPSHOT_NAME)).map(({ vmUuid, vmName, snapshot: info }) => {
        const owner = parseOwner(info.description);
        return {
          kind: 'snapshot' as const,
          key: `${vmUuid} ${info.id}`,
          what: `snapshot ${info.id} of VM "${vmName}" on ${entry.address}`,
          owner,
          vmUuid,
          kept: owner?.kept,
          hostUuid: entry.uuid,
          ageMs: ageMs(info.createdAt),
          holding:
            owner === undefined
              ? undefined
              : { kind: 'snapshot' as const, run: runOf(owner), vm: vmOf(owner, vmName) },
          directly: () => commitThat(host, vmUuid, info.id),
        };
      });
    },
  },
};

/** Lets go of one snapshot by its id, whoever made it. */
async function commitThat(host: Host, vmUuid: string, snapshotId: string): Promise<void> {
  await host.commitSnapshot(vmUuid, snapshotId);
  const absence = await host.snapshotAbsence(vmUuid, ({ id }) => id === snapshotId);
  if (absence.state === 'gone') return;
  throw new EverthawError({
    code: 'ResourceBusy',
    what: `remove snapshot ${snapshotId}`,
    why: absence.why,
    hint: 'try again when nothing else works on the VM',
    retry: 'again',
  });
}

/** Picks the snapshots of a holding's run on its own VM: a clone's copy of the record names another VM and is not ours. */
export function isOf(holding: HoldingOf<'snapshot'>): (found: SnapshotInfo) => boolean {
  return ({ name, description }) => {
    const owner = parseOwner(description);
    return (
      name === SNAPSHOT_NAME && owner?.runId === holding.run.runId && owner.vmUuid === holding.vm.instanceUuid
    );
  };
}

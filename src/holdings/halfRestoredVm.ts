import { EverthawError } from '../domain/errors.js';
import { replacedName } from '../domain/names.js';
import { parseOwner } from '../domain/owner.js';
import type { VmSummary } from '../domain/vm.js';
import type { Host, MarkedVm } from '../hosts/host.js';
import { GONE, runOf, vmOf, type HoldingOf, type Kind } from './kind.js';

/**
 * A VM that is being restored, marked with its owner. Only a marked VM that is powered off is ever destroyed; the VM that it
 * was to replace gets its name back.
 */
export const halfRestoredVm: Kind<'halfRestoredVm'> = {
  async release(holding, { hosts }) {
    const host = await hosts.open(holding.vm.hostUuid, holding.run.runId);
    for (const vm of (await host.listMarkedVms()).filter(isOf(holding))) {
      if (vm.powerState !== 'off') {
        throw new EverthawError({
          code: 'VmInUse',
          what: `remove the half-restored VM "${vm.name}"`,
          why: 'somebody powered it on',
          hint: 'power it off, and it is removed; or take our mark off it to keep it (docs/formats.md)',
          retry: 'again',
        });
      }
      await host.destroyVm(vm.moref);
    }
    for (const aside of await standingAside(host, holding))
      await host.renameVm(aside.moref, holding.finalName);
  },

  async absence(holding, { hosts }) {
    const host = await hosts.open(holding.vm.hostUuid, holding.run.runId);
    const found = (await host.listMarkedVms()).find(isOf(holding));
    if (found !== undefined) return { state: 'present', why: `VM "${found.name}" bears our mark` };
    const aside = await standingAside(host, holding);
    return aside.length === 0
      ? GONE
      : { state: 'present', why: `VM "${holding.finalName}" still stands aside` };
  },

  list: {
    on: 'host',
    async find({ host, entry }) {
      return (await host.listMarkedVms()).map((vm) => {
        const owner = parseOwner(vm.mark);
        return {
          kind: 'halfRestoredVm' as const,
          key: `${vm.moref} ${vm.instanceUuid}`,
          what: `half-restored VM "${vm.name}" on ${entry.address}`,
          owner,
          hostUuid: entry.uuid,
          holding:
            owner === undefined
              ? undefined
              : {
                  kind: 'halfRestoredVm' as const,
                  run: runOf(owner),
                  vm: vmOf(owner, vm.name),
                  finalName: vm.name.replace(/\.restoring-[0-9a-f]{8}$/, ''),
                },
        };
      });
    },
  },
};

/**
 * The VM that was to be replaced, while its place is free. Where the restored one has taken it, that one is whole, and the other is a VM
 * that could not be removed: it is the user's, and keeps its new name.
 */
async function standingAside(
  host: Host,
  { finalName, run }: HoldingOf<'halfRestoredVm'>,
): Promise<readonly VmSummary[]> {
  const aside = await host.findVms({ kind: 'name', value: replacedName(finalName, run.runId) });
  if (aside.length === 0) return [];
  return (await host.findVms({ kind: 'name', value: finalName })).length === 0 ? aside : [];
}

function isOf(holding: HoldingOf<'halfRestoredVm'>): (vm: MarkedVm) => boolean {
  return (vm) => parseOwner(vm.mark)?.runId === holding.run.runId;
}

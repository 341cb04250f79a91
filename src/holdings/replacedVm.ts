import * as z from 'zod';
import { replacedName } from '../domain/names.js';
import type { VmSummary } from '../domain/vm.js';
import type { Host } from '../hosts/host.js';
import { halfRestoredVm } from './halfRestoredVm.js';
import { GONE, runOf, vmOf, type HoldingOf, type Kind, type ReleaseTools } from './kind.js';
import type { HoldingRecord } from './records.js';

/** What a restore notes of the VM that stands aside for the restored one; both by the host's ids. */
const NOTE = z.object({
  finalName: z.string(),
  replaced: z.string(),
  restored: z.string(),
  /** The restored VM is whole, and has the name: nothing but its mark is left to be taken off. */
  isWhole: z.boolean(),
});

export type ReplacedVmNote = z.infer<typeof NOTE>;

/**
 * A VM whose place a restored one takes. It is destroyed only where its run noted that the restored one is whole, and that one still has
 * the name and no mark; where the restored one is gone it gets its name back. Anything else is the user's.
 */
export const replacedVm: Kind<'replacedVm'> = {
  async release(holding, tools) {
    const { run, vm, finalName } = holding;
    // Until it is gone, whose place the name is cannot be told.
    await halfRestoredVm.release({ kind: 'halfRestoredVm', run, vm, finalName }, tools);
    const superseded = await supersededBy(holding, tools);
    if (superseded !== undefined) await superseded.host.destroyVm(superseded.vm.moref);
    await tools.records.remove('replacedVm', run);
  },

  async absence(holding, tools) {
    const superseded = await supersededBy(holding, tools);
    return superseded === undefined
      ? GONE
      : { state: 'present', why: `VM "${superseded.vm.name}" still stands aside` };
  },

  list: {
    on: 'proxy',
    async find(at) {
      return (await at.records.list('replacedVm')).flatMap((record) => {
        const note = noteOf(record);
        if (note === undefined) return [];
        const { owner, vmName } = record;
        const { finalName } = note;
        return [
          {
            kind: 'replacedVm' as const,
            key: note.replaced,
            what: `VM ${note.replaced}, which a restored "${finalName}" replaces`,
            owner,
            hostUuid: owner.hostUuid,
            holding: {
              kind: 'replacedVm' as const,
              proxy: at.proxy,
              run: runOf(owner),
              vm: vmOf(owner, vmName),
              finalName,
            },
          },
        ];
      });
    },
  },
};

/** The replaced VM, where the restored one has truly taken its place. */
async function supersededBy(
  { run, vm, finalName }: HoldingOf<'replacedVm'>,
  { hosts, records }: ReleaseTools,
): Promise<{ readonly host: Host; readonly vm: VmSummary } | undefined> {
  const note = noteOf(await records.read('replacedVm', run));
  if (note?.isWhole !== true) return undefined;
  const host = await hosts.open(vm.hostUuid, run.runId);
  const [replaced] = await host.findVms({ kind: 'moref', value: note.replaced });
  if (replaced?.name !== replacedName(finalName, run.runId) || replaced.powerState !== 'off')
    return undefined;
  const [restored] = await host.findVms({ kind: 'moref', value: note.restored });
  if (restored?.name !== finalName) return undefined;
  const isMarked = (await host.listMarkedVms()).some(({ moref }) => moref === note.restored);
  return isMarked ? undefined : { host, vm: replaced };
}

function noteOf(record: HoldingRecord | undefined): ReplacedVmNote | undefined {
  return record?.id === undefined ? undefined : NOTE.parse(JSON.parse(record.id));
}

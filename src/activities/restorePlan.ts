import { EverthawError } from '../domain/errors.js';
import type { RestorePlan, RestoreRequest, Step } from '../domain/runs.js';
import { readManifest } from '../destinations/restorePoint.js';
import { hostOf, takeLoan, type Dependencies } from './dependencies.js';

export interface PlanInput extends Step {
  readonly request: RestoreRequest;
}

/** Where the VM goes, and what stands there: everything that would stop a restore half-way, asked before it begins. */
export function createPlanRestore(dependencies: Dependencies) {
  return async function planRestore(input: PlanInput): Promise<RestorePlan> {
    const { request } = input;
    await takeLoan(dependencies, { ...input, loan: request.loan });
    const host = await hostOf(dependencies, input);
    const manifest = await readManifest(request.directory);
    const way = host.importWay(manifest.disks);
    const place = await host.findPlace({
      vm: manifest.vm,
      disks: manifest.disks.map((disk) => ({
        ...disk,
        sizeBytes: manifest.files.find(({ path }) => path === disk.file)?.sizeBytes ?? 0,
      })),
      ...(request.storage === undefined ? {} : { storage: request.storage }),
      ...(request.network === undefined ? {} : { network: request.network }),
    });
    const existing = await host.findVms({ kind: 'name', value: request.vm.name });
    const [vm] = existing;
    if (vm === undefined) return { place, way, warnings: [] };
    const what = `restore VM "${request.vm.name}"`;
    if (request.existing === 'abort') {
      throw new EverthawError({
        code: 'RestoreTargetExists',
        what,
        why: `a VM of that name exists (${vm.moref})`,
        hint: 'restore under another name with --name, or replace it with --overwrite',
      });
    }
    if (existing.length > 1 || vm.instanceUuid !== request.vm.instanceUuid) {
      throw new EverthawError({
        code: 'VmAmbiguous',
        what,
        why: `${existing.length} VMs have that name (${existing.map(({ moref }) => moref).join(', ')}), and which is to be replaced is not certain`,
        hint: 'rename the others, or restore under another name with --name',
      });
    }
    if (vm.powerState !== 'off') {
      throw new EverthawError({
        code: 'VmInUse',
        what,
        why: `the VM that it would replace is powered ${vm.powerState}`,
        hint: 'power it off first: a running VM is never replaced',
      });
    }
    return { place, way, existing: { moref: vm.moref, instanceUuid: vm.instanceUuid }, warnings: [] };
  };
}

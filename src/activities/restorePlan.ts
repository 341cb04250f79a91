import { EverthawError } from '../domain/errors.js';
import type { Manifest } from '../domain/manifest.js';
import type { Step } from '../domain/runs.js';
import type { RestorePlan, RestoreRequest } from '../domain/restores.js';
import { restoreWish } from '../domain/placeWish.js';
import { readManifest } from '../destinations/restorePoint.js';
import { lookAtTarget, obstacleOf, targetExists } from '../hosts/restoreTarget.js';
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
    const wish = restoreWish(manifest, request);
    const place = await host.findPlace(wish);
    const { name } = request.vm;
    const target = await lookAtTarget(host, { name, isCopy: name !== manifest.vm.name }, place, wish);
    const obstacle = obstacleOf(target);
    if (obstacle !== undefined && request.existing === 'abort') throw targetExists(name, obstacle);
    const { vms: existing, files } = target;
    const [vm] = existing;
    const warnings = memoryStays(manifest);
    if (vm === undefined) return { place, way, warnings: [...warnings, ...files.map(stays)] };
    const what = `restore VM "${name}"`;
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
    return { place, way, existing: { moref: vm.moref, instanceUuid: vm.instanceUuid }, warnings };
  };
}

/** The memory of a suspended VM fits its own .vmx only, which a person registers; what is made here is powered off. */
function memoryStays({ files }: Manifest): readonly string[] {
  const names = files.filter(({ role }) => role === 'memory').map(({ path }) => path);
  if (names.length === 0) return [];
  return [
    `it was suspended: its memory (${names.join(', ')}) stays in the backup, and the restored VM starts as after a loss of power. To wake it instead, register it by hand (docs/restoring.md)`,
  ];
}

/** A restored VM has a directory of its own: what is not known to be an earlier one's is never written to, and not removed. */
function stays(file: string): string {
  return `${file} stays as it is: the disks of the restored VM lie in a directory of their own`;
}

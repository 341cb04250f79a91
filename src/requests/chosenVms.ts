import type { Settings } from '../config/settings.js';
import { isErrorWithCode } from '../domain/errors.js';
import type { JobDefinition } from '../domain/jobs.js';
import type { VmSummary } from '../domain/vm.js';
import { matches, parseVmChoice, type VmChoice } from '../domain/vmChoice.js';
import type { Host } from '../hosts/host.js';
import { findOneVm, findVms } from './findVms.js';
import { namesMany } from '../domain/vmSpec.js';

export interface ChosenVms {
  /** Each once, in the order of their names. */
  readonly vms: readonly VmSummary[];
  /** Choices that name nothing, or of one VM more than one. */
  readonly missing: readonly { readonly choice: string; readonly why: string }[];
}

/** The VMs that a job means now: what it chooses, without what it excludes. */
export async function chosenVms(
  settings: Settings,
  host: Host,
  { vms, exclude }: Pick<JobDefinition, 'vms' | 'exclude'>,
): Promise<ChosenVms> {
  const isOfFolders = [...vms, ...exclude].some((text) => parseVmChoice(text).by === 'folder');
  // All of them are asked for once, however many patterns there are.
  let everything: Promise<readonly VmSummary[]> | undefined;
  const all = (): Promise<readonly VmSummary[]> =>
    (everything ??= host.findVms({ kind: 'any', value: '' }, { folders: isOfFolders }));
  const missing: { choice: string; why: string }[] = [];
  const found = new Map<string, VmSummary>();
  for (const text of vms) {
    const matched = await vmsBy(parseVmChoice(text), settings, host, all).catch((error: unknown) => {
      if (!isErrorWithCode(error, 'VmNotFound', 'VmAmbiguous')) throw error;
      missing.push({ choice: text, why: error.message });
      return [];
    });
    for (const vm of matched) found.set(vm.instanceUuid, vm);
  }
  for (const text of exclude) {
    // What is not there needs not be excluded; of several that have the name, all are.
    const matched = await vmsBy(parseVmChoice(text), settings, host, all, 'any number').catch(
      (error: unknown) => {
        if (!isErrorWithCode(error, 'VmNotFound')) throw error;
        return [];
      },
    );
    for (const { instanceUuid } of matched) found.delete(instanceUuid);
  }
  return {
    vms: [...found.values()].sort((one, other) => (one.name < other.name ? -1 : 1)),
    missing,
  };
}

async function vmsBy(
  choice: VmChoice,
  settings: Settings,
  host: Host,
  all: () => Promise<readonly VmSummary[]>,
  howMany?: 'any number',
): Promise<readonly VmSummary[]> {
  if (choice.by !== 'spec') return (await all()).filter((vm) => matches(choice, vm));
  const { spec } = choice;
  if (namesMany(spec) || howMany !== undefined) return findVms(settings, host, spec);
  return [await findOneVm(settings, host, spec)];
}

import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Settings } from '../config/settings.js';
import { EverthawError } from '../domain/errors.js';
import { fileNameOf } from '../domain/fileName.js';
import { printable } from '../domain/printable.js';
import type { VmSummary } from '../domain/vm.js';
import { parseVmSpec } from '../domain/vmSpec.js';
import { findVms } from './findVms.js';
import { accessHost } from './hostAccess.js';
import { EXIT, Output } from './output.js';
import { backUp } from './runBackup.js';
import type { RunFlags } from './runFlags.js';

/**
 * Backs up each VM that a spec names to a directory of its own below `root`, one after the other, and tells what became of each.
 * One that fails does not hold up the others.
 *
 * @throws EverthawError WrongUsage where root is no directory, nothing matches, or two VMs would share a directory (F6a)
 */
export async function backupAll(
  settings: Settings,
  specText: string,
  root: string,
  flags: RunFlags,
): Promise<void> {
  const output = new Output(flags.json);
  const spec = parseVmSpec(specText, settings.lookup);
  if (!(await isDirectory(root))) throw refused(root, 'it is no directory', 'make it, or name another');
  const access = await accessHost(settings);
  const vms = await findVms(settings, access.host, spec).finally(() => access.host.logout());
  if (vms.length === 0)
    throw refused(root, `no VM matches ${specText}`, 'see what there is with everthaw vms any:');
  refuseSharing(root, vms);
  let failed = 0;
  for (const vm of vms) {
    output.say(`== ${printable(vm.name)}`);
    try {
      await backUp(settings, access, vm, directoryBelow(root, vm.name), flags);
    } catch (error) {
      failed += 1;
      output.error(error);
    }
  }
  const state = failed === 0 ? 'succeeded' : failed === vms.length ? 'failed' : 'partial';
  output.result({ state, vms: vms.length, failed }, [
    `${vms.length - failed} of ${vms.length} done, ${failed} failed`,
  ]);
  if (failed > 0) process.exitCode = failed === vms.length ? EXIT.failed : EXIT.partial;
}

function directoryBelow(root: string, vmName: string): string {
  return resolve(root, `${fileNameOf(vmName)}-fullVM`);
}

/** Names are reversible, so only VMs of one name share a directory. */
function refuseSharing(root: string, vms: readonly VmSummary[]): void {
  const seen = new Map<string, VmSummary>();
  for (const vm of vms) {
    const other = seen.get(vm.name);
    if (other !== undefined) {
      throw refused(
        root,
        `two VMs are named ${JSON.stringify(vm.name)} (moref:${other.moref}, moref:${vm.moref}) and would share a directory`,
        'back them up one by one with vcbMounter -a moref:<id> -r <directory>',
      );
    }
    seen.set(vm.name, vm);
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

function refused(root: string, why: string, hint: string): EverthawError {
  return new EverthawError({ code: 'WrongUsage', what: `back up all to "${root}"`, why, hint });
}

import { stat } from 'node:fs/promises';
import { OF_TEMPLATE } from '../checks/refusals.js';
import type { Settings } from '../config/settings.js';
import { EverthawError } from '../domain/errors.js';
import { isScpUrl } from '../domain/scpUrl.js';
import { namesMany, parseVmSpec } from '../domain/vmSpec.js';
import type { VmSummary } from '../domain/vm.js';
import { vmsOf } from '../requests/findVms.js';
import { accessHost } from './accessHost.js';
import type { HostAccess } from '../requests/hostAccess.js';
import { EXIT, Output } from './output.js';
import type { BackupFlags } from './backup.js';
import { backUp, destinationOf, runBackup } from './runBackup.js';
import { MOST_AT_ONCE, type RunFlags, type SeriesFlags } from './runFlags.js';
import { Series, type SeriesOutcome } from './series.js';
import type { Follower } from './startAndFollow.js';
import { wholeNumber } from './values.js';

/** Backs up the VM that a spec names, or each of the many. */
export async function runBackups(settings: Settings, vmText: string, flags: BackupFlags): Promise<void> {
  if (namesMany(parseVmSpec(vmText, settings.lookup)))
    await backupAll(settings, vmText, rootForMany(vmText, settings, flags), flags);
  else await runBackup(settings, vmText, flags);
}

/** Backs up one of many VMs, to a directory of its own below `root`. */
export type BackUpOne = (access: HostAccess, vm: VmSummary, root: string, member: Follower) => Promise<void>;

/**
 * Backs up each VM that a spec names to a directory of its own below `root`, one after the other or several at once, and tells what
 * became of each. One that fails does not hold up the others.
 *
 * @throws EverthawError WrongUsage where root is no directory, nothing matches, or two VMs would share a directory (F6a)
 */
export async function backupAll(
  settings: Settings,
  specText: string,
  root: string,
  flags: RunFlags & SeriesFlags,
  backUpOne: BackUpOne = imageOf(settings, flags),
): Promise<void> {
  const output = new Output(flags.json);
  const parallel = wholeNumber('--parallel', flags.parallel, 1, MOST_AT_ONCE);
  if (!isScpUrl(root) && !(await isDirectory(root)))
    throw refused(root, 'it is no directory', 'make it, or name another');
  const access = await accessHost(settings);
  const found = await vmsOf(settings, access.host, specText).finally(() => access.host.logout());
  const vms = found.filter(({ isTemplate }) => isTemplate === undefined);
  if (found.length === 0)
    throw refused(root, `no VM matches ${specText}`, 'see what there is with everthaw vms any:');
  refuseSharing(root, vms);
  for (const { name, isTemplate } of found) {
    if (isTemplate === undefined) continue;
    const line = `left out: ${JSON.stringify(name)}: ${OF_TEMPLATE.why}; ${OF_TEMPLATE.hint}`;
    output.result({ state: 'leftOut', vm: name, ...OF_TEMPLATE }, [line]);
  }
  // Here once, rather than by the first of many: where there is no server yet, it is started.
  const { client } = await (await import('./temporalAccess.js')).accessTemporal(settings);
  const byName = new Map(vms.map((vm) => [vm.name, vm]));
  const series = new Series(output, [...byName.keys()], parallel);
  const outcomes = await series.each(async (name, member) => {
    const vm = byName.get(name);
    if (vm !== undefined) await backUpOne(access, vm, root, member);
  });
  await client.connection.close();
  tell(outcomes, output);
  if (series.isCancelled) process.exitCode = EXIT.interrupted;
}

function imageOf(settings: Settings, flags: RunFlags): BackUpOne {
  return (access, vm, root, member) => {
    const below = { ...settings, backup: { ...settings.backup, root } };
    return backUp(settings, access, vm, destinationOf({}, below, vm.name), flags, member);
  };
}

function tell(outcomes: readonly SeriesOutcome[], output: Output): void {
  const count = (wanted: SeriesOutcome): number => outcomes.filter((each) => each === wanted).length;
  const [all, done, failed, notBegun] = [outcomes.length, count('done'), count('failed'), count('not begun')];
  const state = done === all ? 'succeeded' : done === 0 ? 'failed' : 'partial';
  output.result({ state, vms: all, failed, ...(notBegun === 0 ? {} : { notBegun }) }, [
    `${done} of ${all} done, ${failed} failed${notBegun === 0 ? '' : `, ${notBegun} not begun`}`,
  ]);
  if (done < all) process.exitCode = done === 0 ? EXIT.failed : EXIT.partial;
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

/** @throws EverthawError WrongUsage where many VMs have no directories of their own to go to */
function rootForMany(vm: string, { backup: { root } }: Settings, { to }: BackupFlags): string {
  if (root !== undefined && to === undefined) return root;
  throw new EverthawError({
    code: 'WrongUsage',
    what: `back up ${vm}`,
    why: 'it may name many VMs, and each needs a directory of its own',
    hint: 'give --root <directory> instead of --to: each goes below it',
  });
}

import { posix } from 'node:path';
import { EverthawError } from '../../../domain/errors.js';
import type { Domain } from '../xml/domain.js';
import { isHoldPath } from './holdDirectory.js';
import type { Libvirt } from '../connection/libvirt.js';
import { scratchFilesOf } from './pullBackup.js';
import type { Virsh } from '../connection/virsh.js';
import { virshBatch } from '../connection/virshBatch.js';
import type { VmLook } from './vmLook.js';

/** Where a run's hold directory of a VM is made: where the host's owner says, else beside the VM's first disk. */
export function rootFor({ settings }: Libvirt, { domain }: VmLook): string {
  if (settings.scratchDirectory !== undefined) return settings.scratchDirectory;
  const file = domain.disks.find(
    ({ sourceType, device }) => sourceType === 'file' && device === 'disk',
  )?.path;
  if (file !== undefined) return placeOf(file);
  throw new EverthawError({
    code: 'WrongUsage',
    what: `hold VM "${domain.name}"`,
    why: 'none of its disks is a file, so that there is no place beside them for what it writes meanwhile',
    hint: 'name a directory of the host for it with --scratch-directory',
  });
}

/** Everywhere that holds of a VM may be: its disks may have been moved, or lie in a hold directory as long as an overlay is used. */
export function rootsOf({ domain, definition }: VmLook): readonly string[] {
  return [...filesOf(domain), ...filesOf(definition)].map(placeOf);
}

/**
 * Everywhere that holds of any VM of the host may be, whatever the settings were when they were made: what a backup job or an overlay
 * uses is where its hold is.
 */
export async function allRoots({ virsh, settings }: Libvirt): Promise<readonly string[]> {
  const stats = await blockStatsOfAll(virsh);
  const files = [...stats.matchAll(/^ *block\.\d+\.path=(\/.*)$/gm)].map(([, path = '']) => path);
  const roots = [...files, ...(await scratchFiles(virsh))].map(placeOf);
  return [
    ...new Set([...(settings.scratchDirectory === undefined ? [] : [settings.scratchDirectory]), ...roots]),
  ];
}

/** How often all VMs are asked for their disks: each time another one may just have ended. */
const TRIES = 10;

/** libvirt refuses to tell of any VM as long as one of them is ending; a moment later it is known to be off. */
async function blockStatsOfAll(virsh: Virsh): Promise<string> {
  for (let left = TRIES - 1; ; left -= 1) {
    try {
      return await virsh.run('list the disks of all VMs', ['domstats', '--block', '--backing', '--raw']);
    } catch (error) {
      if (left === 0 || !(error instanceof EverthawError) || !/domain is not running/i.test(error.why))
        throw error;
    }
  }
}

/** How many are asked at once. */
const BATCH = 50;

/** Where every backup job that runs keeps what its VM overwrites. */
async function scratchFiles(virsh: Virsh): Promise<readonly string[]> {
  const what = 'look for backup jobs';
  const running = (await virsh.run(what, ['list', '--uuid'])).split('\n').filter((uuid) => uuid !== '');
  const files: string[] = [];
  for (let at = 0; at < running.length; at += BATCH) {
    const commands = running.slice(at, at + BATCH).map((uuid) => ['backup-dumpxml', uuid.trim()]);
    for (const job of await virshBatch(virsh, what, commands))
      if (job !== undefined) files.push(...scratchFilesOf(job));
  }
  return files;
}

function filesOf({ disks }: Domain): readonly string[] {
  return disks.flatMap(({ path, backing }) =>
    [path, ...backing.map((image) => image.path)].filter((file) => file !== undefined),
  );
}

function placeOf(file: string): string {
  const directory = posix.dirname(file);
  return isHoldPath(directory) ? posix.dirname(directory) : directory;
}

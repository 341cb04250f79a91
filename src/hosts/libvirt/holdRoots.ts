import { posix } from 'node:path';
import { EverthawError } from '../../domain/errors.js';
import type { Domain } from './domain.js';
import { isHoldPath } from './holdDirectory.js';
import type { Libvirt } from './libvirt.js';
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
    hint: 'set scratchDirectory for this host',
  });
}

/** Everywhere that holds of a VM may be: its disks may have been moved, or lie in a hold directory as long as an overlay is used. */
export function rootsOf({ settings }: Libvirt, { domain, definition }: VmLook): readonly string[] {
  return withSetting(settings.scratchDirectory, [...filesOf(domain), ...filesOf(definition)]);
}

/** Everywhere that holds of any VM of the host may be. */
export async function allRoots({ virsh, settings }: Libvirt): Promise<readonly string[]> {
  const stats = await virsh.run('list the disks of all VMs', ['domstats', '--block', '--backing', '--raw']);
  const files = [...stats.matchAll(/^ *block\.\d+\.path=(\/.*)$/gm)].map(([, path = '']) => path);
  return withSetting(settings.scratchDirectory, files);
}

function withSetting(directory: string | undefined, files: readonly string[]): readonly string[] {
  return [...new Set([...(directory === undefined ? [] : [directory]), ...files.map(placeOf)])];
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

import { basename, dirname } from 'node:path';
import { EverthawError } from '../../../domain/errors.js';
import { isBackedUp } from '../inventory/diskRefusal.js';
import type { Domain, DomainDisk } from '../xml/domain.js';
import { readAllWithOdd } from '../inventory/domains.js';
import type { HostShell } from '../../../system/hostShell.js';
import { readImages } from '../inventory/imageInfo.js';
import { mapAtMost } from '../../../system/mapAtMost.js';
import { oneOf } from './marks.js';
import { requireOff } from './power.js';
import { RESTORED_FILE } from './restorePlace.js';
import { undefineVm } from './undefine.js';
import type { Virsh } from '../connection/virsh.js';

/**
 * Removes a VM. Of its disks only those go that lie in the directory that we made for this VM alone, and that no other VM names: a
 * file elsewhere may be somebody's template, and cannot be brought back.
 *
 * @returns what is worth telling: images that were left where they are
 * @throws EverthawError VmInUse where it is not off
 */
export async function destroyVm(virsh: Virsh, moref: string): Promise<readonly string[]> {
  const { all, hasOdd } = await readAllWithOdd(virsh);
  const read = oneOf(all, moref);
  if (read === undefined) return [];
  requireOff(read, 'remove');
  const { domain } = read;
  const others = all.filter((other) => other !== read).map((other) => other.domain);
  const named = new Set(others.flatMap(filesOf));
  const directory = domain.restored?.directory;
  const images = domain.disks.filter(isBackedUp).flatMap(imagesOf);
  const ours = images.filter((path) => dirname(path) === directory && !named.has(path));
  // While it bears a mark nobody can have built upon it.
  const isWhole = domain.restored?.mark === undefined;
  const kept = !isWhole ? [] : hasOdd ? ours : await builtUpon(virsh.shell, others, ours);
  const removed = ours.filter((path) => !kept.includes(path));
  // Files first: a domain that is still there tells the next attempt what is left to do.
  if (directory !== undefined) await removeFiles(virsh.shell, directory, removed);
  const keepsNvram = domain.nvram === undefined || named.has(domain.nvram);
  await undefineVm(virsh, `remove VM "${domain.name}"`, domain, {
    nvram: keepsNvram ? 'keep' : 'remove',
    withMetadata: true,
  });
  if (directory !== undefined) await removeDirectory(virsh.shell, directory);
  return images
    .filter((path) => !removed.includes(path))
    .map(
      (path) =>
        `${path} of the removed VM "${domain.name}" was left where it is: remove it if it is of no use`,
    );
}

/** Which of the images others' images may lie above; all of them where that cannot be seen. */
async function builtUpon(
  shell: HostShell,
  others: readonly Domain[],
  images: readonly string[],
): Promise<readonly string[]> {
  if (images.length === 0) return [];
  const disks = others.flatMap(({ disks }) => disks).filter(({ format }) => format !== 'raw');
  const chains = await mapAtMost(4, disks, async ({ path, format }) => {
    if (path === undefined) return [];
    try {
      return (await readImages(shell, path, format)).map((image) => image.path);
    } catch {
      return images;
    }
  });
  return images.filter((path) => chains.some((chain) => chain.includes(path)));
}

function imagesOf(disk: DomainDisk): readonly string[] {
  return [disk.path, ...disk.backing.map(({ path }) => path)].filter((path) => path !== undefined);
}

function filesOf(domain: Domain): readonly string[] {
  return [...domain.disks.flatMap(imagesOf), ...(domain.nvram === undefined ? [] : [domain.nvram])];
}

const IS_ITSELF = '[ "$(realpath -e -- "$1")" = "$1" ] ||';

async function removeFiles(shell: HostShell, directory: string, paths: readonly string[]): Promise<void> {
  const names = paths.map((path) => basename(path));
  const script = `[ -e "$1" ] || exit 0; ${IS_ITSELF} { echo "$1 is a link to elsewhere" >&2; exit 1; }
    cd -- "$1" && shift && rm -f -- "$@"`;
  const { exit, stderr } = await shell.run('sh', ['-c', script, 'everthaw', directory, ...names]);
  if (exit === 0) return;
  throw new EverthawError({
    code: 'HostFault',
    what: `remove the disks in ${directory} on ${shell.where}`,
    why: stderr.trim(),
    hint: 'see that this user may write there',
    retry: 'again',
  });
}

/** Where anything else lies in it, it stays. */
async function removeDirectory(shell: HostShell, directory: string): Promise<void> {
  const script = `${IS_ITSELF} exit 0
    [ "$(ls -A -- "$1")" = "$2" ] && rm -f -- "$1/$2" && rmdir -- "$1"; exit 0`;
  await shell.run('sh', ['-c', script, 'everthaw', directory, RESTORED_FILE]);
}

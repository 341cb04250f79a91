import { basename, dirname, join } from 'node:path';
import { EverthawError } from '../../../domain/errors.js';
import type { RestorePlace } from '../../../domain/restores.js';
import type { SourceProgram } from '../../../system/sourceProgram.js';
import type { HostShell } from '../../../system/hostShell.js';
import { libvirtPlace, RESTORED_FILE } from './restorePlace.js';

/** More than an owner file ever has. */
const LONGEST_TEXT_BYTES = 64 * 1024;

/**
 * Files below the directory that is restored to. A path has no way out of it by its words (`..`), and each script sees for itself
 * that its directory is no link to elsewhere: what is removed here is removed for good.
 */
export async function makeDirectory(shell: HostShell, place: RestorePlace, path: string): Promise<void> {
  const directory = pathBelow(place, path);
  // QEMU's own user must get through to the disks, and has no need to list them.
  await runScript(shell, `make ${directory}`, `${NO_LINK} mkdir -p -m 0711 -- "$2" && : > "$2/$3"`, [
    dirname(directory),
    directory,
    RESTORED_FILE,
  ]);
}

export function uploadFile(shell: HostShell, place: RestorePlace, path: string, file: string): SourceProgram {
  const to = pathBelow(place, path);
  return shell.upload(file, { directory: dirname(to), name: basename(to) }, `file ${to}`);
}

/** Undefined where there is no such file; that it cannot be read is an error. */
export async function readText(
  shell: HostShell,
  place: RestorePlace,
  path: string,
): Promise<string | undefined> {
  const file = pathBelow(place, path);
  const { exit, stdout } = await runScript(
    shell,
    `read ${file}`,
    `[ -e "$1" ] || exit ${ABSENT}; exec head -c ${LONGEST_TEXT_BYTES} -- "$1"`,
    [file],
  );
  return exit === ABSENT ? undefined : stdout;
}

/** Writes a small text file into a directory that is there. */
export async function writeText(
  shell: HostShell,
  place: RestorePlace,
  path: string,
  text: string,
): Promise<void> {
  const file = pathBelow(place, path);
  await runScript(shell, `write ${file}`, `${NO_LINK} cat > "$2"`, [dirname(file), file], text);
}

/** Names of what was put into a directory since it was made, or undefined where there is none. */
export async function listDirectory(
  shell: HostShell,
  place: RestorePlace,
  path: string,
): Promise<readonly string[] | undefined> {
  const directory = pathBelow(place, path);
  const { exit, stdout } = await runScript(
    shell,
    `list ${directory}`,
    `[ -d "$1" ] || exit ${ABSENT}; ${NO_LINK} exec find "$1" -mindepth 1 -maxdepth 1 ! -name "$2" -printf '%f\\0'`,
    [directory, RESTORED_FILE],
  );
  return exit === ABSENT ? undefined : stdout.split('\0').slice(0, -1);
}

/** Removes a file or a directory with all that is in it; what is not there is no error. */
export async function deletePath(shell: HostShell, place: RestorePlace, path: string): Promise<void> {
  const target = pathBelow(place, path);
  await runScript(
    shell,
    `remove ${target}`,
    `[ -e "$1" ] || exit ${ABSENT}; ${NO_LINK} exec rm -rf --one-file-system -- "$2"`,
    [dirname(target), target],
  );
}

const ABSENT = 44;
const NO_LINK = '[ "$(realpath -e -- "$1")" = "$1" ] || { echo "$1 is a link to elsewhere" >&2; exit 1; };';

async function runScript(
  shell: HostShell,
  what: string,
  script: string,
  args: readonly string[],
  stdin?: string,
): Promise<{ readonly exit: number; readonly stdout: string }> {
  const { exit, stdout, stderr } = await shell.run(
    'sh',
    ['-c', script, 'everthaw', ...args],
    stdin === undefined ? {} : { stdin },
  );
  if (exit === 0 || exit === ABSENT) return { exit, stdout };
  throw new EverthawError({
    code: /permission denied|not permitted/i.test(stderr) ? 'NotPermitted' : 'HostFault',
    what: `${what} on ${shell.where}`,
    why: stderr.trim() === '' ? `sh ended with ${exit}` : stderr.trim(),
    hint: 'see that the file system is there, and that this user may write to it',
    retry: 'again',
  });
}

/** @throws EverthawError WrongUsage where the path is not plainly below the place. */
function pathBelow(place: RestorePlace, path: string): string {
  const { directory } = libvirtPlace(place);
  const names = path.split('/');
  if (!names.some((name) => name === '' || name === '.' || name === '..' || name.includes('\0')))
    return join(directory, ...names);
  throw new EverthawError({
    code: 'WrongUsage',
    what: `touch ${JSON.stringify(path)} in ${directory}`,
    why: 'it does not lie below that directory',
    hint: 'nothing was done: a name in the backup or of the VM has parts that lead elsewhere',
  });
}

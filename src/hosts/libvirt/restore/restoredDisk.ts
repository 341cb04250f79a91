import { join } from 'node:path';
import { EverthawError } from '../../../domain/errors.js';
import type { ManifestDisk } from '../../../domain/manifest.js';
import type { HostShell } from '../../../system/hostShell.js';
import { readImage } from '../inventory/imageInfo.js';
import { qemuFormatOf } from './importWay.js';

/** A terabyte takes hours; the run's own cancelling ends it sooner. */
const CONVERTING_MS = 24 * 3600_000;

export interface RestoredDisk {
  readonly path: string;
  readonly format: 'raw' | 'qcow2';
}

/**
 * Brings an uploaded disk into the form that it had: raw stays raw; whatever else it was, with whatever lay under it, is one qcow2.
 * It can be repeated from any point: the disk appears under its name when it is whole and on the disk.
 */
export async function finishDisk(
  shell: HostShell,
  directory: string,
  disk: ManifestDisk,
  formatBefore: string,
  signal: AbortSignal,
): Promise<RestoredDisk> {
  const uploaded = join(directory, disk.file);
  const format = formatBefore === 'raw' ? 'raw' : 'qcow2';
  const path = join(directory, `${disk.label.replace(':', '-')}.${format}`);
  if (uploaded !== path && (await isThere(shell, path))) {
    // An earlier attempt was cut off behind its renaming.
    await run(shell, disk, 'remove the uploaded form', ['rm', '-f', '--', uploaded], signal);
    return { path, format };
  }
  await checkImage(shell, uploaded, disk);
  const uploadedFormat = qemuFormatOf(disk);
  if (uploadedFormat === format) {
    await run(shell, disk, 'write it down', ['sync', '--', uploaded], signal);
    if (uploaded !== path) await run(shell, disk, 'name it', ['mv', '-f', '--', uploaded, path], signal);
    return { path, format };
  }
  await run(
    shell,
    disk,
    `make it ${format}`,
    ['sh', '-c', CONVERT, 'everthaw', uploaded, path, uploadedFormat, format],
    signal,
  );
  return { path, format };
}

/** qemu-img locks what it writes: one of an attempt that was given up, and still writes, lets the next one fail and try again. */
const CONVERT = `
umask 077
qemu-img convert -f "$3" -O "$4" -- "$1" "$2.part" && sync -- "$2.part" && mv -f -- "$2.part" "$2" && rm -f -- "$1"
`;

async function isThere(shell: HostShell, path: string): Promise<boolean> {
  return (await shell.run('test', ['-e', path])).exit === 0;
}

/** A file that says that its data are in another would hand that other file to the guest. */
async function checkImage(shell: HostShell, path: string, disk: ManifestDisk): Promise<void> {
  const image = await readImage(shell, path, qemuFormatOf(disk));
  const wrong =
    image.backing !== undefined
      ? `it is only the difference to ${image.backing}`
      : image.parts.length > 0
        ? `a part of it is to be in ${image.parts.join(', ')}`
        : image.capacityBytes !== disk.capacityBytes
          ? `it has ${image.capacityBytes} bytes, the manifest says ${disk.capacityBytes}`
          : undefined;
  if (wrong === undefined) return;
  throw new EverthawError({
    code: 'BackupDamaged',
    what: `restore disk ${disk.label}`,
    why: wrong,
    hint: 'somebody changed the backup: verify it, and take another one',
  });
}

async function run(
  shell: HostShell,
  disk: ManifestDisk,
  doing: string,
  [program = '', ...args]: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const { exit, stderr } = await shell.run(program, args, { signal, timeoutMs: CONVERTING_MS });
  if (exit === 0) return;
  const why = stderr.trim();
  const isFull = /no space left/i.test(why);
  throw new EverthawError({
    code: isFull ? 'DestinationFull' : 'ProgramFailed',
    what: `${doing}: disk ${disk.label} on ${shell.where}`,
    why: why === '' ? `${program} ended with ${exit}` : why,
    hint: isFull ? 'a disk needs room in both its forms while it is restored' : 'look at the host’s storage',
    retry: 'again',
  });
}

import { basename } from 'node:path';
import * as z from 'zod';
import { EverthawError, isErrorWithCode } from '../domain/errors.js';
import type { ManifestDisk } from '../domain/manifest.js';
import { runForOutput, runProgram } from '../system/program.js';
import type { SourceProgram } from '../system/sourceProgram.js';
import { foreignData } from './foreignData.js';

const INFO = z.object({
  'virtual-size': z.number(),
  'backing-filename': z.string().optional(),
});

const QEMU_FORMATS: Readonly<Record<ManifestDisk['format'], string>> = {
  'vmdk-stream-optimized': 'vmdk',
  'vmdk-flat': 'vmdk',
  'vmdk-sparse': 'vmdk',
  qcow2: 'qcow2',
  raw: 'raw',
};
/** Formats with tables of their own, which can disagree with each other. */
const CHECKED: readonly ManifestDisk['format'][] = ['vmdk-stream-optimized', 'vmdk-sparse', 'qcow2'];

/**
 * Why a kept disk is not the whole disk that the manifest tells of, by qemu-img; undefined where it is. `files` are those of the
 * backup: a disk's bytes lie in no other.
 *
 * @throws EverthawError ProgramMissing where there is no qemu-img
 */
export async function imageFault(
  file: string,
  disk: ManifestDisk,
  files: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const format = QEMU_FORMATS[disk.format];
  try {
    const fault = await layoutFault(file, disk, files, signal);
    if (fault !== undefined) return fault;
    if (CHECKED.includes(disk.format)) await runProgram(qemuImg('check', ['-q'], format, file), signal);
    return undefined;
  } catch (error) {
    return faultBy(error, disk);
  }
}

/** As {@link imageFault}, without going through the whole image. */
export async function openingFault(
  file: string,
  disk: ManifestDisk,
  files: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    return await layoutFault(file, disk, files, signal);
  } catch (error) {
    return faultBy(error, disk);
  }
}

async function layoutFault(
  file: string,
  disk: ManifestDisk,
  files: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const foreign = await foreignData(file, disk, files);
  if (foreign !== undefined) return foreign;
  const said = await runForOutput(
    qemuImg('info', ['--output=json'], QEMU_FORMATS[disk.format], file),
    signal,
  );
  const info = INFO.parse(JSON.parse(said));
  const below = info['backing-filename'];
  if (below !== undefined) return `it is only the difference to ${below}`;
  return info['virtual-size'] === disk.capacityBytes
    ? undefined
    : `it has ${info['virtual-size']} bytes, the manifest says ${disk.capacityBytes}`;
}

function faultBy(error: unknown, disk: ManifestDisk): string {
  if (!isErrorWithCode(error, 'ProgramFailed')) throw error;
  if (error.why.startsWith(NOT_FOUND)) throw missing(disk);
  return `it cannot be opened: ${error.why}`;
}

/** What setpriv ends with where there is no such program. */
const NOT_FOUND = 'qemu-img ended with 127';

function qemuImg(
  command: 'info' | 'check',
  flags: readonly string[],
  format: string,
  file: string,
): SourceProgram {
  const args = [command, ...flags, '-f', format, '--', file];
  return { program: 'qemu-img', args, what: `image ${basename(file)}` };
}

function missing({ label }: ManifestDisk): EverthawError {
  return new EverthawError({
    code: 'ProgramMissing',
    what: `open disk ${label}`,
    why: 'there is no qemu-img on this machine',
    hint: 'install it (Debian: apt install qemu-utils)',
  });
}

import { link } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ManifestDisk } from '../../src/domain/manifest.js';
import { EVERTHAW } from '../lab/programs.js';
import { run, type Ran } from '../lab/run.js';
import { writeBackup } from '../lab/backupDirectory.js';
import { MIB } from './images.js';

export interface BackedUpDisk {
  readonly label: string;
  /** What is opened, and what lies beside it. */
  readonly files: readonly [string, ...string[]];
  readonly format: ManifestDisk['format'];
  readonly sizeMib: number;
}

/** A backup of these disks, as the product writes it, made without a host. */
export async function writeImageBackup(directory: string, disks: readonly BackedUpDisk[]): Promise<string> {
  await writeBackup(directory, 'vm', (manifest) => ({
    ...manifest,
    disks: disks.map(({ label, files: [file], format, sizeMib }) => ({
      label,
      capacityBytes: sizeMib * MIB,
      file: basename(file),
      format,
      originalPath: file,
    })),
    files: disks.flatMap(({ files }) =>
      files.map((file) => ({
        path: basename(file),
        role: 'disk',
        sizeBytes: 0,
        sha256: '0'.repeat(64),
      })),
    ),
  }));
  for (const file of disks.flatMap(({ files }) => files)) await link(file, join(directory, basename(file)));
  return directory;
}

/** `everthaw files` with a state directory of its own. */
export function filesIn(
  state: string,
  more: NodeJS.ProcessEnv = {},
): (...words: readonly string[]) => Promise<Ran> {
  const env = { ...process.env, EVERTHAW_STATE: state, EVERTHAW_CONFIG: '/dev/null', ...more };
  return (...words) => run(process.execPath, [EVERTHAW, 'files', ...words], { env, mayFail: true });
}

import { join } from 'node:path';
import { cancellationSignal } from '@temporalio/activity';
import type { Step, VerifiedBackup } from '../domain/runs.js';
import { hashFile } from '../disks/hashFile.js';
import { damaged, readManifest } from '../destinations/restorePoint.js';
import { pulse } from './pulse.js';

export interface VerifyInput extends Step {
  readonly directory: string;
}

/** Hashes every file of a restore point against its manifest, before anything is made from it. */
export function createVerifyBackup() {
  return async function verifyBackup(input: VerifyInput): Promise<VerifiedBackup> {
    const manifest = await readManifest(input.directory);
    const totalBytes = manifest.files.reduce((sum, file) => sum + file.sizeBytes, 0);
    let bytes = 0;
    for (const file of manifest.files) {
      const found = await hashFile(
        join(input.directory, file.path),
        (read) => {
          pulse().progress({ what: `verify ${file.path}`, bytes: bytes + read, totalBytes });
        },
        cancellationSignal(),
      ).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT')
          throw damaged(input.directory, `${file.path} is missing`);
        throw error;
      });
      if (found.sha256 !== file.sha256) {
        throw damaged(
          input.directory,
          `${file.path} is not what was backed up: SHA-256 ${found.sha256} over ${found.sizeBytes} bytes, the manifest says ${file.sha256} over ${file.sizeBytes}`,
        );
      }
      bytes += file.sizeBytes;
    }
    return { vmName: manifest.vm.name, bytes: totalBytes };
  };
}

import { cancellationSignal } from '@temporalio/activity';
import type { Step } from '../domain/runs.js';
import type { VerifiedBackup } from '../domain/restores.js';
import { join } from 'node:path';
import { foreignData } from '../disks/foreignData.js';
import { fileFault } from '../destinations/fileFault.js';
import { damaged, readManifest } from '../destinations/restorePoint.js';
import { pulse } from './pulse.js';

export interface VerifyInput extends Step {
  readonly directory: string;
}

/** Hashes every file of a restore point against its manifest, and sees that no disk leads out of it, before anything is made from it. */
export function createVerifyBackup() {
  return async function verifyBackup(input: VerifyInput): Promise<VerifiedBackup> {
    const manifest = await readManifest(input.directory);
    const totalBytes = manifest.files.reduce((sum, file) => sum + file.sizeBytes, 0);
    let bytes = 0;
    for (const file of manifest.files) {
      const tell = (read: number): void => {
        pulse().progress({ what: 'verify', bytes: bytes + read, totalBytes });
      };
      const fault = await fileFault(input.directory, file, tell, cancellationSignal());
      if (fault !== undefined) throw damaged(input.directory, fault);
      bytes += file.sizeBytes;
    }
    const names = manifest.files.map(({ path }) => path);
    for (const disk of manifest.disks) {
      const foreign = await foreignData(join(input.directory, disk.file), disk, names);
      if (foreign !== undefined) throw damaged(input.directory, `disk ${disk.label}: ${foreign}`);
    }
    return { vmName: manifest.vm.name, bytes: totalBytes };
  };
}

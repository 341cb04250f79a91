import { dirname } from 'node:path';
import { cancellationSignal } from '@temporalio/activity';
import { EverthawError } from '../domain/errors.js';
import { formatBytes } from '../domain/format.js';
import { MANIFEST_FILE, type ManifestFile } from '../domain/manifest.js';
import { formatOwner } from '../domain/owner.js';
import type { Step } from '../domain/runs.js';
import { freeBytes as freeBytesOf } from '../destinations/directory.js';
import { localDirectory } from '../destinations/localDirectory.js';
import { damaged, imageLevel } from '../destinations/restorePoint.js';
import { hashFaultOf } from '../destinations/fileFault.js';
import { localBackup } from '../destinations/storedBackup.js';
import { fullOr } from './destinationFull.js';
import { ownerAt, type Dependencies } from './dependencies.js';
import { pulse } from './pulse.js';

export interface FetchInput extends Step {
  /** scp URL of a restore point. */
  readonly directory: string;
  readonly fetchInto: string;
}

/**
 * Brings a restore point of another machine to the run's own directory of this one, hashed on the way; gives its bytes. What an earlier
 * attempt brought whole stays.
 *
 * @throws EverthawError BackupDamaged where what came is not what was backed up
 */
export function createFetchBackup(dependencies: Dependencies) {
  return async function fetchBackup(input: FetchInput): Promise<number> {
    const { run, vm, directory, fetchInto } = input;
    const backup = await dependencies.destinations.farBackupAt(directory);
    const manifest = imageLevel(await backup.manifest(), directory);
    const here = localDirectory(fetchInto).partialOf(run.runId);
    const totalBytes = manifest.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    // The room of what is here already was looked for before it came.
    if (!(await here.exists())) await refuseWithoutRoom(vm.name, dirname(fetchInto), totalBytes);
    const owner = ownerAt(dependencies, input, new Date());
    await dependencies.records.write('partialDirectory', { owner, vmName: vm.name, id: here.name });
    const keeper = pulse();
    const signal = cancellationSignal();
    let before = 0;
    const fetch = async (file: ManifestFile): Promise<void> => {
      const tell = (bytes: number): void => {
        keeper.progress({ what: 'fetch', bytes: before + bytes, totalBytes });
      };
      if ((await localBackup(here.name).fileFault(file, tell, signal)) === undefined) return;
      await here.discard(file.path);
      const source = { source: backup.program(file.path), offsetBytes: 0, sparse: true };
      const { sha256 } = await here.copy(file.path, source, tell, signal);
      const fault = hashFaultOf(sha256, file);
      if (fault !== undefined) throw damaged(directory, fault);
    };
    try {
      await here.make(formatOwner(owner));
      for (const file of manifest.files) {
        await fetch(file);
        before += file.sizeBytes;
      }
      await here.write(MANIFEST_FILE, JSON.stringify(manifest));
    } catch (error) {
      throw fullOr(error, fetchInto);
    }
    return totalBytes;
  };
}

async function refuseWithoutRoom(vmName: string, directory: string, wantedBytes: number): Promise<void> {
  const what = `fetch the backup of "${vmName}"`;
  const hint =
    'name a larger place with TEMPDIR or EVERTHAW_TEMPDIR, or copy the backup yourself and restore from there';
  const freeBytes = await freeBytesOf(directory).catch((error: unknown) => {
    const why = `"${directory}", where it is to lie meanwhile, cannot be used (${(error as NodeJS.ErrnoException).code ?? ''})`;
    throw new EverthawError({ code: 'DestinationMissing', what, why, hint });
  });
  if (freeBytes >= wantedBytes) return;
  const why = `it takes ${formatBytes(wantedBytes)}, and "${directory}" has ${formatBytes(freeBytes)} left`;
  throw new EverthawError({ code: 'DestinationFull', what, why, hint });
}

import { assertNever } from '../domain/errors.js';
import { partialName } from '../domain/names.js';
import { formatOwner } from '../domain/owner.js';
import type { BackupRequest, DiskResult, Step } from '../domain/runs.js';
import type { Transport } from '../domain/transport.js';
import type { DiskDescription } from '../domain/vm.js';
import { makePartial } from '../destinations/directory.js';
import { ownerOf, type Dependencies } from './dependencies.js';
import { transferDatastore } from './transferDatastore.js';
import { transferExport } from './transferExport.js';
import { transferLease } from './transferLease.js';

export interface TransferInput extends Step, Pick<BackupRequest, 'diskFormat'> {
  readonly snapshotId: string;
  readonly disk: DiskDescription;
  readonly transport: Transport;
  readonly directory: string;
}

/** Moves one disk of the snapshot into the partial directory. */
export function createTransfer(dependencies: Dependencies) {
  return async function transfer(input: TransferInput): Promise<DiskResult> {
    const partial = partialName(input.directory, input.run.runId);
    const owner = await ownerOf(dependencies, input);
    await dependencies.records.write('partialDirectory', { owner, vmName: input.vm.name, id: partial });
    await makePartial(partial, formatOwner(owner));
    switch (input.transport.via) {
      case 'lease':
        return transferLease(dependencies, input, partial);
      case 'datastore':
        return transferDatastore(dependencies, input, partial);
      case 'export':
        return transferExport(dependencies, input, partial);
      default:
        return assertNever(input.transport.via);
    }
  };
}

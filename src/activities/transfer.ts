import { assertNever } from '../domain/errors.js';
import { formatOwner } from '../domain/owner.js';
import type { BackupRequest, Checkpoint, DiskResult, Step } from '../domain/runs.js';
import type { Transport } from '../domain/transport.js';
import type { DiskDescription } from '../domain/vm.js';
import type { PartialBackup } from '../destinations/destination.js';
import { fullOr } from './destinationFull.js';
import { hostOf, ownerOf, type Dependencies } from './dependencies.js';
import { outageOr } from './outage.js';
import { transferDatastore } from './transferDatastore.js';
import { transferExport } from './transferExport.js';
import { transferLease } from './transferLease.js';

export interface TransferInput extends Step, Pick<BackupRequest, 'diskFormat'> {
  readonly snapshotId: string;
  readonly disk: DiskDescription;
  readonly transport: Transport;
  readonly directory: string;
  readonly maximumAgeMs: number;
  /** As far as an earlier step of this disk came. */
  readonly resumeFrom?: Checkpoint;
}

/** Moves one disk of the snapshot into the partial directory. */
export function createTransfer(dependencies: Dependencies) {
  return async function transfer(input: TransferInput): Promise<DiskResult> {
    const destination = await dependencies.destinations.at(input.directory);
    const partial = destination.partialOf(input.run.runId);
    const owner = await ownerOf(dependencies, input);
    await dependencies.records.write('partialDirectory', { owner, vmName: input.vm.name, id: partial.name });
    try {
      await partial.make(formatOwner(owner));
      return await move(dependencies, input, partial);
    } catch (error) {
      throw fullOr(await outageOr(error, await hostOf(dependencies, input)), input.directory);
    }
  };
}

function move(dependencies: Dependencies, input: TransferInput, partial: PartialBackup): Promise<DiskResult> {
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
}

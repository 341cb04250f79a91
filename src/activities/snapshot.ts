import { cancellationSignal } from '@temporalio/activity';
import { EverthawError, isErrorWithCode } from '../domain/errors.js';
import { SNAPSHOT_NAME } from '../domain/names.js';
import { formatOwner, parseOwner } from '../domain/owner.js';
import type { BackupRequest, FreezeScriptResult, SnapshotResult, Step } from '../domain/runs.js';
import type { Host, SnapshotTaken } from '../hosts/host.js';
import type { SnapshotInfo } from '../domain/vm.js';
import { hostOf, ownerOf, type Dependencies } from './dependencies.js';

export interface SnapshotInput extends Step {
  readonly quiesce: BackupRequest['quiesce'];
  readonly toolsRunning: boolean;
}

/** Runs the pre-freeze script where that is ours to do (F2); on vSphere it says who does it instead, and runs nothing twice. */
export function createFreezeScript(dependencies: Dependencies) {
  return async function freezeScript(input: SnapshotInput): Promise<FreezeScriptResult> {
    const host = await hostOf(dependencies, input);
    if (input.quiesce === 'none')
      return { ranBy: 'nobody', note: 'quiescing is switched off for this backup' };
    if (!input.toolsRunning) return { ranBy: 'nobody', note: 'no guest tools run in the VM' };
    const ranBy = host.freezeScriptsRunBy ?? 'nobody';
    return {
      ranBy,
      note: 'pre-freeze and post-thaw scripts, where the guest has them, run as part of the snapshot',
    };
  };
}

/** Takes the run's snapshot, or finds the one that an earlier attempt of it took. */
export function createSnapshot(dependencies: Dependencies) {
  return async function snapshot(input: SnapshotInput): Promise<SnapshotResult> {
    const host = await hostOf(dependencies, input);
    const quiesce = input.quiesce !== 'none' && input.toolsRunning;
    const earlier = (await ours(host, input)).at(0);
    if (earlier !== undefined)
      return describe(earlier, wasQuiesced(earlier), 0, [
        'the snapshot was taken by an attempt that was cut off: how long it froze the guest is not known',
      ]);
    const warnings: string[] = [];
    const taken = await take(host, input, quiesce).catch(async (error: unknown) => {
      if (input.quiesce !== 'preferred' || !isErrorWithCode(error, 'QuiesceFailed')) throw error;
      warnings.push(`quiescing failed, so this backup is crash-consistent: ${error.why}`);
      return take(host, input, false);
    });
    await yieldToOlder(host, input, taken.snapshot);
    return describe(taken.snapshot, quiesce && warnings.length === 0, taken.frozenAtMostMs, warnings);

    async function take(on: Host, step: SnapshotInput, quiesced: boolean): Promise<SnapshotTaken> {
      const description = `${formatOwner(await ownerOf(dependencies, step))}\nquiesced:${String(quiesced)}`;
      return on.takeSnapshot(
        step.vm.instanceUuid,
        { name: SNAPSHOT_NAME, description, quiesce: quiesced },
        cancellationSignal(),
      );
    }
  };
}

/**
 * Ends the run where another backup's snapshot was there first: two runs on one VM, over two servers, do not mix. Of two of the
 * same moment one must go on, whoever looks.
 */
async function yieldToOlder(host: Host, input: Step, mine: SnapshotInfo): Promise<void> {
  const all = await host.listSnapshots(input.vm.instanceUuid);
  const older = all.find(
    (other) =>
      other.name === SNAPSHOT_NAME &&
      other.id !== mine.id &&
      (other.createdAt < mine.createdAt || (other.createdAt === mine.createdAt && other.id < mine.id)),
  );
  if (older === undefined) return;
  throw new EverthawError({
    code: 'SnapshotForeign',
    what: `snapshot "${input.vm.name}"`,
    why: `another backup has taken ${older.id} of the same name at the same time`,
    hint: 'two backups of one VM must not run together: see who else backs it up',
  });
}

async function ours(host: Host, input: Step): Promise<readonly SnapshotInfo[]> {
  const all = await host.listSnapshots(input.vm.instanceUuid);
  return all.filter(
    ({ name, description }) => name === SNAPSHOT_NAME && parseOwner(description)?.runId === input.run.runId,
  );
}

function wasQuiesced(snapshot: SnapshotInfo): boolean {
  return snapshot.description.endsWith('quiesced:true');
}

function describe(
  snapshot: SnapshotInfo,
  quiesced: boolean,
  frozenAtMostMs: number,
  warnings: readonly string[],
): SnapshotResult {
  return {
    id: snapshot.id,
    takenAt: snapshot.createdAt,
    consistency: quiesced ? 'filesystem' : 'crash',
    frozenAtMostMs,
    warnings,
  };
}

import { cancellationSignal } from '@temporalio/activity';
import { EverthawError, isErrorWithCode } from '../domain/errors.js';
import { SNAPSHOT_NAME } from '../domain/names.js';
import { formatOwner, parseOwner } from '../domain/owner.js';
import type { BackupRequest, SnapshotResult, Step } from '../domain/runs.js';
import type { Host, SnapshotTaken } from '../hosts/host.js';
import type { SnapshotInfo } from '../domain/vm.js';
import { hostOf, ownerOf, type Dependencies } from './dependencies.js';

export interface FreezeInput extends Step {
  readonly quiesce: BackupRequest['quiesce'];
  readonly toolsRunning: boolean;
  /** After which the run gives up. */
  readonly maximumAgeMs: number;
  /** The snapshot is to stay after the run. */
  readonly kept?: 'createonly';
}

export interface SnapshotInput extends FreezeInput {
  /** Whether the application's own data were put in order before. */
  readonly applicationReady: boolean;
}

/** Takes the run's snapshot, or finds the one that an earlier attempt of it took. */
export function createSnapshot(dependencies: Dependencies) {
  return async function snapshot(input: SnapshotInput): Promise<SnapshotResult> {
    const host = await hostOf(dependencies, input);
    const quiesce = input.quiesce !== 'none' && input.toolsRunning;
    const earlier = (await ours(host, input)).find(({ complete }) => complete);
    if (earlier !== undefined)
      return describe(earlier, input, 0, [
        'the snapshot was taken by an attempt that was cut off: how long it froze the guest is not known',
      ]);
    const warnings: string[] = [];
    const taken = await take(host, input, quiesce).catch(async (error: unknown) => {
      if (input.quiesce !== 'preferred' || !isErrorWithCode(error, 'QuiesceFailed')) throw error;
      warnings.push(`quiescing failed, so this backup is crash-consistent: ${error.why}`);
      return take(host, input, false);
    });
    await yieldToOlder(host, input, taken.snapshot);
    return describe(taken.snapshot, input, taken.frozenAtMostMs, [...warnings, ...taken.warnings]);

    async function take(on: Host, step: SnapshotInput, quiesced: boolean): Promise<SnapshotTaken> {
      const description = formatOwner(await ownerOf(dependencies, step));
      return on.takeSnapshot(
        step.vm.instanceUuid,
        { name: SNAPSHOT_NAME, description, runId: step.run.runId, quiesce: quiesced },
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

function describe(
  snapshot: SnapshotInfo,
  { applicationReady }: SnapshotInput,
  frozenAtMostMs: number,
  warnings: readonly string[],
): SnapshotResult {
  const quiesced = applicationReady ? 'application' : 'filesystem';
  return {
    id: snapshot.id,
    takenAt: snapshot.createdAt,
    consistency: snapshot.quiesced ? quiesced : 'crash',
    frozenAtMostMs,
    warnings,
  };
}

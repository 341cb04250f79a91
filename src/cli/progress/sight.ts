import type { WorkflowHandle } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { BackupRequest, DiskResult, PreflightResult, Progress, Pulse } from '../../domain/runs.js';
import { doneSteps, type DoneStep } from './doneSteps.js';

/** A step that is being done, or tried again. */
export interface LivingStep {
  readonly id: string;
  readonly type: string;
  readonly progress: Progress | undefined;
  /** What it waits for. */
  readonly held: string | undefined;
  /** Why the last attempt failed, while it is tried again. */
  readonly trouble: string | undefined;
}

/** A disk that a backup has to move. */
export interface DiskSight {
  readonly label: string;
  /** Bytes that will have been read when it is done; `undefined` until that is known for sure. */
  readonly expectedBytes: number | undefined;
  /** Bytes that are kept of it, where it is done. */
  readonly storedBytes: number | undefined;
}

/** What is seen of a run from outside. */
export interface Sight {
  readonly living: readonly LivingStep[];
  readonly doneIds: ReadonlySet<string>;
  /** All disks of a backup, as soon as its preflight told them; none of other runs. */
  readonly disks: readonly DiskSight[];
}

/** Looks at a run again and again. Its history is read where it has grown. */
export class Looker {
  readonly #handle: WorkflowHandle;
  #historyLength = 0;
  #done: readonly DoneStep[] = [];

  constructor(handle: WorkflowHandle) {
    this.#handle = handle;
  }

  /** `undefined` where the server does not answer now. */
  async look(): Promise<Sight | undefined> {
    try {
      const { raw, historyLength } = await this.#handle.describe();
      if (historyLength !== this.#historyLength) {
        this.#done = await doneSteps(this.#handle);
        this.#historyLength = historyLength;
      }
      const living = (raw.pendingActivities ?? []).map((activity): LivingStep => {
        const payload = activity.heartbeatDetails?.payloads?.[0];
        const pulse = payload == null ? undefined : defaultPayloadConverter.fromPayload<Pulse>(payload);
        return {
          id: activity.activityId ?? '',
          type: activity.activityType?.name ?? '',
          progress: pulse?.progress,
          held: pulse?.held?.why,
          trouble: activity.lastFailure?.message ?? undefined,
        };
      });
      return { living, doneIds: new Set(this.#done.map(({ id }) => id)), disks: disksOf(this.#done) };
    } catch {
      return undefined;
    }
  }
}

function disksOf(done: readonly DoneStep[]): readonly DiskSight[] {
  const preflight = done.find(({ type }) => type === 'preflight');
  if (preflight === undefined) return [];
  const { request } = preflight.input as { readonly request: BackupRequest };
  const moved = done.filter(({ type }) => type === 'transfer').map(({ result }) => result as DiskResult);
  return (preflight.result as PreflightResult).disks.map(({ label, capacityBytes }) => ({
    label,
    // By the datastore every byte of the disk is read; else its host says it when the disk's turn comes, or its end does.
    expectedBytes: request.transport.via === 'datastore' ? capacityBytes : undefined,
    storedBytes: moved.find(({ disk }) => disk.label === label)?.files.find(({ role }) => role === 'disk')
      ?.sizeBytes,
  }));
}

import { defaultPayloadConverter } from '@temporalio/common';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { MultiBar, type SingleBar } from 'cli-progress';
import { setTimeout as sleep } from 'node:timers/promises';
import { ERROR_CODES, EverthawError, type ErrorCode } from '../domain/errors.js';
import { formatBytes } from '../domain/format.js';
import type { Progress, Pulse } from '../domain/runs.js';
import type { Output } from './output.js';

const LOOK_MS = 300;

/**
 * Follows a run to its end and returns its result: a bar for each transfer on a terminal, a line for each step elsewhere.
 *
 * @throws EverthawError what the run failed with
 */
export async function watchRun<T>(handle: WorkflowHandle<() => Promise<T>>, output: Output): Promise<T> {
  const view = process.stdout.isTTY && !output.json ? new Bars() : new Lines(output);
  const ended = new AbortController();
  const result = handle.result();
  const looking = look(handle, view, ended.signal);
  try {
    return await result;
  } catch (error) {
    throw runError(error);
  } finally {
    ended.abort();
    await looking;
    view.end();
  }
}

interface Step {
  readonly id: string;
  readonly type: string;
  readonly progress: Progress | undefined;
  /** Why the last attempt failed, while it is tried again. */
  readonly trouble: string | undefined;
}

async function look(handle: WorkflowHandle, view: Bars | Lines, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const description = await handle.describe().catch(() => undefined);
    const pending = description?.raw.pendingActivities ?? [];
    view.show(
      pending.map((activity) => {
        const payload = activity.heartbeatDetails?.payloads?.[0];
        const pulse = payload == null ? undefined : defaultPayloadConverter.fromPayload<Pulse>(payload);
        return {
          id: activity.activityId ?? '',
          type: activity.activityType?.name ?? '',
          progress: pulse?.progress,
          trouble: activity.lastFailure?.message ?? undefined,
        };
      }),
    );
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** Bars on a terminal: one for each transfer, which stays when it is full. */
class Bars {
  readonly #bars = new MultiBar({
    format: '{what} [{bar}] {percentage}% {done} of {total} {rate}/s',
    hideCursor: true,
    clearOnComplete: false,
    barsize: 30,
  });
  readonly #shown = new Map<
    string,
    { readonly bar: SingleBar; readonly startedAt: number; readonly startBytes: number }
  >();

  show(steps: readonly Step[]): void {
    const living = new Set(steps.map(({ id }) => id));
    for (const [id, { bar }] of this.#shown) if (!living.has(id)) bar.update(bar.getTotal());
    for (const { id, progress } of steps)
      if (progress !== undefined && progress.totalBytes > 0) this.#update(id, progress);
  }

  end(): void {
    this.show([]);
    this.#bars.stop();
  }

  #update(id: string, { what, bytes, totalBytes }: Progress): void {
    let shown = this.#shown.get(id);
    const rate =
      shown === undefined
        ? 0
        : ((bytes - shown.startBytes) * 1000) / Math.max(1, Date.now() - shown.startedAt);
    const texts = {
      what,
      done: formatBytes(bytes),
      total: formatBytes(totalBytes),
      rate: formatBytes(Math.max(0, rate)),
    };
    shown ??= { bar: this.#bars.create(totalBytes, bytes, texts), startedAt: Date.now(), startBytes: bytes };
    this.#shown.set(id, shown);
    shown.bar.update(bytes, texts);
  }
}

/** A line for each step, and for trouble; JSON lines for programs. */
class Lines {
  readonly #output: Output;
  readonly #said = new Set<string>();

  constructor(output: Output) {
    this.#output = output;
  }

  show(steps: readonly Step[]): void {
    for (const { id, type, progress, trouble } of steps) {
      this.#once(id, { step: type }, `${type} …`);
      if (trouble !== undefined)
        this.#once(`${id} ${trouble}`, { step: type, trouble }, `${type}: ${trouble}`);
      if (progress === undefined || progress.totalBytes === 0) continue;
      const tenth = Math.floor((progress.bytes * 10) / progress.totalBytes);
      const text = `${progress.what}: ${formatBytes(progress.bytes)} of ${formatBytes(progress.totalBytes)}`;
      this.#once(`${id} ${progress.what} ${tenth}`, { step: type, ...progress }, text);
    }
  }

  end(): void {
    this.#said.clear();
  }

  #once(key: string, object: object, line: string): void {
    if (this.#said.has(key)) return;
    this.#said.add(key);
    this.#output.result(object, [line]);
  }
}

/** The error that ended a run, out of the layers that Temporal wraps it in. */
function runError(error: unknown): unknown {
  if (!(error instanceof WorkflowFailedError)) return error;
  let at: unknown = error.cause;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  if (!(at instanceof Error)) return error;
  const type = 'type' in at ? at.type : undefined;
  const code: ErrorCode =
    ERROR_CODES.find((known) => known === type) ??
    (at.name === 'CancelledFailure' ? 'Cancelled' : 'UnexpectedError');
  const parts = ('details' in at && Array.isArray(at.details) ? at.details[0] : undefined) as
    { what: string; why: string; hint: string } | undefined;
  if (parts !== undefined) return new EverthawError({ code, ...parts });
  return code === 'Cancelled'
    ? new EverthawError({
        code,
        what: 'run',
        why: 'it was cancelled, and everything that it held is let go',
        hint: 'start it again when you like',
      })
    : at;
}

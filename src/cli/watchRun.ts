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
export function watchRun<T>(handle: WorkflowHandle<() => Promise<T>>, output: Output): Promise<T> {
  return watchRunUntil(handle, handle.result(), output);
}

/** Follows a run until something of it is there. @throws EverthawError what the run failed with */
export async function watchRunUntil<T>(
  handle: WorkflowHandle,
  result: Promise<T>,
  output: Output,
): Promise<T> {
  const view = process.stdout.isTTY && !output.json ? new Bars() : new Lines(output);
  const ended = new AbortController();
  const looking = look(handle, view, ended.signal);
  try {
    const value = await result;
    await stopLooking();
    view.end(true);
    return value;
  } catch (error) {
    await stopLooking();
    view.end(false);
    throw runError(error);
  }

  async function stopLooking(): Promise<void> {
    ended.abort();
    await looking;
  }
}

interface Step {
  readonly id: string;
  readonly type: string;
  readonly progress: Progress | undefined;
  /** What it waits for. */
  readonly held: string | undefined;
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
          held: pulse?.held?.why,
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
    // Not {total}: that one is cli-progress's own, in bytes.
    format: '{what} [{bar}] {percentage}% {amount}',
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
    for (const id of this.#shown.keys()) if (!living.has(id)) this.#fill(id);
    for (const { id, progress, held } of steps) {
      if (progress !== undefined && progress.totalBytes > 0) this.#update(id, progress);
      if (held !== undefined && this.#held !== held) this.#bars.log(`${(this.#held = held)}\n`);
    }
  }

  #held: string | undefined;

  /** A step that is no longer there was done, unless the run failed. */
  end(isDone: boolean): void {
    if (isDone) for (const id of this.#shown.keys()) this.#fill(id);
    this.#bars.stop();
  }

  #fill(id: string): void {
    const bar = this.#shown.get(id)?.bar;
    bar?.update(bar.getTotal(), { amount: 'done' });
  }

  #update(id: string, { what, bytes, totalBytes }: Progress): void {
    let shown = this.#shown.get(id);
    shown ??= {
      bar: this.#bars.create(totalBytes, bytes, { what, amount: '' }),
      startedAt: Date.now(),
      startBytes: bytes,
    };
    this.#shown.set(id, shown);
    const seconds = (Date.now() - shown.startedAt) / 1000;
    const rate = seconds < 1 ? '' : `, ${formatBytes((bytes - shown.startBytes) / seconds)}/s`;
    shown.bar.update(bytes, { amount: `${formatBytes(bytes)} of ${formatBytes(totalBytes)}${rate}` });
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
    for (const { id, type, progress, held, trouble } of steps) {
      this.#once(id, { step: type }, `${type} …`);
      if (held !== undefined) this.#once(`${id} ${held}`, { step: type, held }, held);
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

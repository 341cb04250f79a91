import { formatBytes } from '../../domain/format.js';
import type { DiskSight, Sight } from './sight.js';

/** Bytes that are followed: of a disk, of a file, of all of them. */
export interface Track {
  readonly what: string;
  readonly bytes: number;
  /** `undefined` where it cannot be told truthfully. */
  readonly totalBytes: number | undefined;
  /** Told where the total is not known. */
  readonly note: string;
  readonly state: 'moving' | 'done' | 'ended';
}

/** What was seen moving, in the order in which it was seen first: what is done stays. */
export class Tracks {
  readonly #seen = new Map<string, { readonly track: Track; readonly stepId: string }>();
  #whole: { readonly track: Track; readonly stepId: string } | undefined;

  see({ living, doneIds, disks }: Sight): void {
    for (const { label, storedBytes } of disks) {
      const what = `disk ${label}`;
      if (storedBytes !== undefined) this.#seen.set(what, { track: done(what, storedBytes), stepId: '' });
    }
    const told = new Set<string>();
    for (const { id, progress } of living) {
      if (progress === undefined || progress.totalBytes === 0) continue;
      const { what, bytes, totalBytes, isGuess, whole } = progress;
      const track: Track = {
        ...{ what, bytes, state: 'moving' },
        totalBytes: isGuess === undefined ? totalBytes : undefined,
        note: isGuess === undefined ? '' : `disk of ${formatBytes(totalBytes)}, compressed`,
      };
      this.#seen.set(what, { track, stepId: id });
      told.add(what);
      if (whole !== undefined && whole.totalBytes > totalBytes)
        this.#whole = { track: { ...track, ...whole, what: 'in all' }, stepId: id };
    }
    for (const [what, { track, stepId }] of this.#seen) {
      if (told.has(what) || track.state === 'done') continue;
      // The step is done, or is at another part of its own.
      const isDone =
        doneIds.has(stepId) || living.some((step) => step.id === stepId && step.progress !== undefined);
      this.#seen.set(what, {
        stepId,
        track: isDone ? done(what, track.totalBytes ?? track.bytes) : { ...track, state: 'ended' },
      });
    }
    if (disks.length > 1) this.#whole = { track: this.#allDisks(disks), stepId: '' };
    else if (this.#whole !== undefined && doneIds.has(this.#whole.stepId))
      this.#whole = { ...this.#whole, track: done('in all', this.#whole.track.totalBytes ?? 0) };
  }

  get parts(): readonly Track[] {
    return [...this.#seen.values()].map(({ track }) => track);
  }

  /** All that the run has to move, where that is more than one thing. */
  get whole(): Track | undefined {
    return this.#whole?.track;
  }

  #allDisks(disks: readonly DiskSight[]): Track {
    const parts = disks.map((disk) => ({ ...disk, track: this.#seen.get(`disk ${disk.label}`)?.track }));
    const totals = parts.map(({ expectedBytes, track }) =>
      track === undefined ? expectedBytes : track.totalBytes,
    );
    const bytes = sum(parts.map(({ track }) => track?.bytes ?? 0));
    const ready = parts.filter(({ track }) => track?.state === 'done').length;
    return {
      what: 'in all',
      bytes,
      totalBytes: totals.every((total) => total !== undefined) ? sum(totals) : undefined,
      note: `${ready} of ${disks.length} disks done`,
      state: ready === disks.length ? 'done' : 'moving',
    };
  }
}

function done(what: string, bytes: number): Track {
  return { what, bytes, totalBytes: bytes, note: '', state: 'done' };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0);
}

import * as z from 'zod';
import type { AnyManifest } from '../domain/fileManifest.js';
import { vmKeyOf, type RetainedPoint } from '../domain/retention.js';
import { OWNER_FILE } from './directory.js';
import { othersWhy } from './forgetPoint.js';
import { isPartialName, type ListedPoint, type WholePoint } from './listedPoint.js';

/** A restore point that rules may speak of, and what it is listed as. */
export interface Retained extends RetainedPoint {
  readonly listed: WholePoint;
}

/** What was listed, as it matters for forgetting. */
export interface Survey {
  readonly points: readonly Retained[];
  /** What no rule speaks of: it counts as no restore point, and stays. */
  readonly untouched: readonly { readonly directory: string; readonly why: string }[];
  /** Directories whose removal was cut off, or is under way. */
  readonly removing: readonly string[];
  /** As far as directories tell. */
  readonly lastRunFailed: ReadonlyMap<string, string>;
}

export function surveyOf(listed: readonly ListedPoint[]): Survey {
  const points: Retained[] = [];
  const untouched: { directory: string; why: string }[] = [];
  for (const point of listed) {
    const retained =
      point.state === 'whole' ? retainedOf(point) : point.state === 'removing' ? '' : point.why;
    if (typeof retained === 'object') points.push(retained);
    else if (retained !== '') untouched.push({ directory: point.directory, why: retained });
  }
  const removing = listed.flatMap(({ state, directory }) => (state === 'removing' ? [directory] : []));
  return { points, untouched, removing, lastRunFailed: failuresIn(listed, points) };
}

const TIME = z.iso.datetime({ offset: true });

/** @returns a text where it is left alone */
function retainedOf(listed: WholePoint): Retained | string {
  const { directory, others, pointInTime, runId, hostUuid, vmUuid } = listed;
  if (isPartialName(directory)) return 'it is not finished';
  if (others.includes(OWNER_FILE)) return 'a run owns it';
  if (!TIME.safeParse(pointInTime).success) return `its point in time is no time: ${pointInTime}`;
  const held = listed.protected === undefined ? othersWhy(others) : `protected: ${listed.protected}`;
  return {
    ...{ runId, hostUuid, vmUuid, listed, level: LEVELS[listed.kind], at: Date.parse(pointInTime) },
    ...(listed.base === undefined ? {} : { base: listed.base }),
    ...(held === undefined ? {} : { held }),
  };
}

const LEVELS: Readonly<Record<AnyManifest['kind'], string>> = {
  'image-full': 'image',
  'file-full': 'file',
  'file-differential': 'file',
  'file-incremental': 'file',
};

/** VMs of which there is an unfinished backup that was begun after the newest one was made: its run lives, or failed. */
function failuresIn(
  listed: readonly ListedPoint[],
  points: readonly RetainedPoint[],
): ReadonlyMap<string, string> {
  const newest = new Map<string, number>();
  for (const point of points) {
    const key = vmKeyOf(point);
    newest.set(key, Math.max(point.at, newest.get(key) ?? 0));
  }
  const failures = new Map<string, string>();
  for (const point of listed) {
    if (point.state !== 'partial' || point.owner === undefined) continue;
    const key = vmKeyOf(point.owner);
    // A time that cannot be read counts as one after.
    if (!(Date.parse(point.owner.takenAt) < (newest.get(key) ?? 0)))
      failures.set(key, `its last run has not finished ${point.directory}`);
  }
  return failures;
}

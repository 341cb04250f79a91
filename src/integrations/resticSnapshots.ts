import * as z from 'zod';
import type { ResticRepository } from '../domain/moduleChoice.js';
import { askRestic } from './resticProgram.js';

const SNAPSHOTS = z.array(z.object({ id: z.string(), tags: z.array(z.string()).default([]) })).nullable();

/** The tag by which the snapshots of a run are known as ours. */
export function runTag(runId: string): string {
  return `everthaw-${runId}`;
}

/** The whole ids of those snapshots that are there. @param ids or their beginnings @throws EverthawError */
export async function snapshotsOf(
  repository: ResticRepository,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const all = await listed(repository, ids, signal);
  return all.flatMap(({ id }) => (ids.some((each) => id.startsWith(each)) ? [id] : []));
}

/** @throws EverthawError */
export async function snapshotsTagged(
  repository: ResticRepository,
  tag: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const all = await listed(repository, [`--tag=${tag}`], signal);
  return all.flatMap(({ id, tags }) => (tags.includes(tag) ? [id] : []));
}

/** Takes snapshots out of the repository, those that are still there; what they alone hold goes with `restic prune`. @throws EverthawError */
export async function forgetSnapshots(
  repository: ResticRepository,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const there = ids.length === 0 ? [] : await snapshotsOf(repository, ids, signal);
  if (there.length === 0) return;
  const short = there.map((id) => id.slice(0, 8)).join(' ');
  const what = `forget the snapshots ${short} in the repository "${repository.place}"`;
  await askRestic(repository, { args: ['forget', ...there], what }, signal);
}

async function listed(
  repository: ResticRepository,
  which: readonly string[],
  signal: AbortSignal,
): Promise<NonNullable<z.infer<typeof SNAPSHOTS>>> {
  const what = `look for snapshots in the repository "${repository.place}"`;
  const args = ['snapshots', '--json', '--no-lock', ...which];
  const lines = await askRestic(repository, { args, what }, signal);
  return SNAPSHOTS.parse(JSON.parse(lines.join('\n') || '[]')) ?? [];
}

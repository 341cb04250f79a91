import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { messageOf } from '../domain/errors.js';
import type { FileVolume } from '../domain/fileManifest.js';
import type { ResticRepository } from '../domain/moduleChoice.js';
import { hasSteadyNumbers } from '../volumes/fileSystems.js';
import { BaseRefused, calledVolume, type IntegrationModule, type ModuleOrder, type Moved } from './module.js';
import { moduleFailed } from './moduleProgram.js';
import { resticExcludes } from './patterns.js';
import { askRestic, endOfRestic, resticFailed, SOME_UNREAD } from './resticProgram.js';
import { forgetSnapshots, runTag, snapshotsOf, snapshotsTagged } from './resticSnapshots.js';
import type { Selection } from './selection.js';

/**
 * A snapshot of restic's for each volume, in any of its repositories. Each is whole by itself: differential and incremental say only which one
 * tells what need not be read again.
 */
export function restic(repository: ResticRepository): IntegrationModule {
  return {
    name: 'restic',
    kinds: ['full', 'differential', 'incremental'],
    place: repository.place,
    chains: false,
    check: async (_, signal) => {
      await askRestic(
        repository,
        { args: ['cat', 'config', '--no-lock'], what: `open the repository "${repository.place}"` },
        signal,
      );
    },
    move: async (order, signal, tell) => {
      const notes = await forgetEarlier(repository, order, signal);
      const kept: Moved['kept'][number][] = [];
      let before = 0;
      try {
        for (const [index, selection] of order.selections.entries()) {
          const what = calledVolume(selection.volume);
          let bytes = 0;
          const snapshot = await backUp(repository, order, selection, index, signal, (done) => {
            bytes = done;
            tell({ what, bytes: before + done });
          });
          kept.push({ snapshot });
          before += bytes;
        }
      } catch (error) {
        // A killed restic cannot take away its own lock. What it made of other volumes is no backup.
        await forgetEarlier(repository, order, AbortSignal.timeout(CLEANING_MS)).catch(() => undefined);
        throw error;
      }
      return { kept, files: [], notKept: [], lastLines: notes };
    },
  };
}

const CLEANING_MS = 10_000;

const TOLD = z.discriminatedUnion('message_type', [
  z.object({ message_type: z.literal('status'), bytes_done: z.number().default(0) }),
  z.object({
    message_type: z.literal('summary'),
    snapshot_id: z.string(),
    total_bytes_processed: z.number(),
  }),
]);
/** Its reason has a sentence in newer versions, and a number in older ones. */
const COMPLAINT = z.object({
  message_type: z.literal('error'),
  item: z.string(),
  error: z.object({
    message: z.string().exactOptional(),
    Op: z.string().default('read'),
    Err: z.number().default(0),
  }),
});

async function backUp(
  repository: ResticRepository,
  order: ModuleOrder,
  selection: Selection,
  index: number,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<string> {
  const { volume, paths, excludes, ignoresCase } = selection;
  const what = `back up ${calledVolume(volume)} of "${order.vmName}" with restic`;
  const parent = await parentOf(repository, order, volume, signal);
  const excluded = join(order.scratch, `${index}.excluded`);
  await writeFile(excluded, resticExcludes(excludes, volume.directory));
  const wanted = join(order.scratch, `${index}.wanted`);
  await writeFile(wanted, paths.map((steps) => `${steps.join('/')}\0`).join(''));
  let summary: { readonly snapshot_id: string } | undefined;
  const unread: string[] = [];
  const { exit, lastLines } = await endOfRestic(
    repository,
    {
      args: [
        ...['backup', '--json', '--one-file-system', `--host=${order.vmName}`],
        ...[`--tag=${runTag(order.runId)}`, `--time=${resticTime(order.pointInTimeMs)}`],
        parent === undefined ? '--force' : `--parent=${parent}`,
        ...(hasSteadyNumbers(volume.fileSystem) ? [] : ['--ignore-inode', '--ignore-ctime']),
        `--${ignoresCase ? 'i' : ''}exclude-file=${excluded}`,
        ...(paths.length === 0 ? ['.'] : [`--files-from-raw=${wanted}`]),
      ],
      what,
      cwd: volume.directory,
      onLine: (line) => {
        const told = TOLD.safeParse(jsonOf(line)).data;
        if (told?.message_type === 'status') onBytes(told.bytes_done);
        if (told?.message_type !== 'summary') return;
        onBytes(told.total_bytes_processed);
        summary = told;
      },
      onComplaint: (line) => {
        const complaint = COMPLAINT.safeParse(jsonOf(line)).data;
        if (complaint === undefined) return;
        const { message, Op, Err } = complaint.error;
        unread.push(`${complaint.item}: ${message ?? `${Op} failed with error ${Err}`}`);
      },
    },
    signal,
  );
  if (exit === SOME_UNREAD) throw moduleFailed({ program: 'restic', what }, exit, firstOf(unread, lastLines));
  if (exit !== 0) throw resticFailed(repository, what, exit, lastLines);
  if (summary === undefined)
    throw moduleFailed({ program: 'restic', what }, exit, ['it did not say which snapshot it made']);
  const [made] = await snapshotsOf(repository, [summary.snapshot_id], signal);
  return made ?? summary.snapshot_id;
}

const MOST_NAMED = 5;

function firstOf(unread: readonly string[], otherwise: readonly string[]): readonly string[] {
  const named = unread.slice(0, MOST_NAMED);
  const more = unread.length - named.length;
  if (named.length === 0) return otherwise;
  return more > 0 ? [...named, `and ${more} files more`] : named;
}

/** The snapshot by which it tells what has not changed. @throws BaseRefused where it is not in the repository any more */
async function parentOf(
  repository: ResticRepository,
  { base }: ModuleOrder,
  volume: Pick<FileVolume, 'id' | 'name'>,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (base === undefined) return undefined;
  const { snapshot } = base.volumes.find(({ id }) => id === volume.id) ?? {};
  const found = snapshot === undefined ? [] : await snapshotsOf(repository, [snapshot], signal);
  if (found.length === 1) return snapshot;
  throw new BaseRefused(
    `the last one’s snapshot of ${calledVolume(volume)} is not in the repository any more`,
  );
}

/**
 * Takes away what an attempt of this run before this one left: its lock, where it was killed, and its snapshots, which are part of no restore point.
 *
 * @returns what could not be taken away, and how to do so
 */
async function forgetEarlier(
  repository: ResticRepository,
  { runId }: ModuleOrder,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { place } = repository;
  await askRestic(repository, { args: ['unlock'], what: `open the repository "${place}"` }, signal);
  const ids = await snapshotsTagged(repository, runTag(runId), signal);
  try {
    await forgetSnapshots(repository, ids, signal);
    return [];
  } catch (error) {
    signal.throwIfAborted();
    return [`an earlier attempt left snapshots, which nothing needs: ${messageOf(error)}`];
  }
}

/** `2006-01-02 15:04:05`, by UTC. */
function resticTime(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

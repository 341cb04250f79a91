import { chmod, lstat, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FileVolume } from '../../domain/fileManifest.js';
import { damaged } from '../../destinations/restorePoint.js';
import type { CopiedFiles } from '../../volumes/copyFiles.js';
import { endOfModule, moduleFailed } from '../moduleProgram.js';
import { isMatch, isPath } from '../patterns.js';
import { readMembers, type Member } from './archiveMembers.js';
import type { TarLayer } from './tarChain.js';
import { isWithin, kindIn, pathBelow, splitPath, textOf, type TreeState } from './treeState.js';

/** What says why a file is in no archive. */
export interface Absences {
  readonly volume: FileVolume;
  readonly exclude: readonly string[];
  readonly mountPoints: ReadonlySet<string>;
}

/**
 * Extracts what is wanted of a volume, layer upon layer. Before each, what is there is made what stood in the volume then: what is no directory any more
 * is taken away, so that nothing is ever extracted through a link, and what was deleted is deleted here.
 *
 * @param wanted paths in bytes (treeState.ts)
 * @throws EverthawError
 */
export async function copyFromTar(
  layers: readonly TarLayer[],
  wanted: readonly string[],
  place: string,
  keepsOwners: boolean,
  absences: Absences,
): Promise<Pick<CopiedFiles, 'failures' | 'notKept'>> {
  const failures: string[] = [];
  const newest = new Map<string, Member>();
  const scratch = await mkdtemp(join(tmpdir(), 'everthaw-get-'));
  try {
    for (const layer of layers) {
      const members = await membersOf(layer, wanted);
      for (const [path, member] of members) newest.set(path, member);
      for (const path of wanted) {
        await openAbove(place, path);
        await conform(place, path, layer.state);
      }
      failures.push(...(await extract(layer, members, wanted, place, keepsOwners, scratch)));
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  const { missing, notKept } = await absent(
    layers.at(-1)?.state ?? new Map(),
    newest,
    wanted,
    place,
    absences,
  );
  return { failures: [...failures, ...missing], notKept };
}

/** Members at, below and above what is wanted. @throws EverthawError BackupDamaged where one lies below what was no directory */
async function membersOf(
  { archive, state, directory }: TarLayer,
  wanted: readonly string[],
): Promise<ReadonlyMap<string, Member>> {
  const members = new Map<string, Member>();
  let stray: string | undefined;
  await readMembers(archive, (member) => {
    const { path } = member;
    const isAsked = wanted.some((top) => isWithin(path, top) || (member.type === 'd' && isWithin(top, path)));
    if (!isAsked) return;
    const above = splitPath(path);
    const isPlain = above === undefined || path.split('/').every((step) => !['', '.', '..'].includes(step));
    if (
      !isPlain ||
      (above !== undefined && kindIn(state, above.directory) !== 'directory' && above.directory !== '')
    )
      stray ??= path;
    members.set(path, member);
  });
  if (stray === undefined) return members;
  throw damaged(directory, `its archive has ${textOf(stray)}, which its listing has no directory for`);
}

/** The next layer gives directories their modes again, each of which has all of them. */
async function openAbove(place: string, path: string): Promise<void> {
  for (let step = splitPath(path); step !== undefined; step = splitPath(step.directory))
    await chmod(pathIn(place, step.directory), 0o700).catch(() => undefined);
}

/** Takes away what is not in a state, or not of its kind; directories that stay may be written to. */
async function conform(place: string, path: string, state: TreeState): Promise<void> {
  const at = pathIn(place, path);
  const stats = await lstat(at).catch(() => undefined);
  if (stats === undefined) return;
  const kind = kindIn(state, path);
  if (kind === undefined || (kind === 'directory') !== stats.isDirectory()) {
    // The root is ours, and not the guest's.
    if (path !== '') await removeTree(at);
    return;
  }
  if (kind !== 'directory') return;
  await chmod(at, 0o700);
  for (const name of await readdir(at, { encoding: 'buffer' }))
    await conform(place, pathBelow(path, name.toString('latin1')), state);
}

/** With directories in it that may not be written to. */
export async function removeTree(at: Buffer): Promise<void> {
  const stats = await lstat(at);
  if (stats.isDirectory()) {
    await chmod(at, 0o700);
    for (const name of await readdir(at, { encoding: 'buffer' }))
      await removeTree(Buffer.concat([at, Buffer.from('/'), name]));
  }
  await rm(at, { recursive: stats.isDirectory() });
}

function pathIn(place: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(path === '' ? place : `${place}/`), Buffer.from(path, 'latin1')]);
}

/** Extracts members of an archive: what is wanted with all below it, and the directories above it. */
export async function extract(
  { archive }: Pick<TarLayer, 'archive'>,
  members: ReadonlyMap<string, Member>,
  wanted: readonly string[],
  place: string,
  keepsOwners: boolean,
  scratch: string,
): Promise<readonly string[]> {
  const paths = [...members.keys()];
  const asked = wanted.filter((top) => paths.some((path) => isWithin(path, top)));
  const above = paths.filter((path) => !wanted.some((top) => isWithin(path, top)));
  if (asked.length + above.length === 0) return [];
  const left = [...members.values()].filter(({ type }) => isDevice(type)).map(({ path }) => path);
  const list = async (name: string, lines: readonly string[]): Promise<string> => {
    await writeFile(join(scratch, name), Buffer.from(lines.join(''), 'latin1'));
    return join(scratch, name);
  };
  const tarName = (path: string): string => (path === '' ? '.' : `./${path}`);
  const complaints: string[] = [];
  const what = `extract files from "${archive}"`;
  const { exit, firstLines } = await endOfModule(
    {
      program: 'tar',
      args: [
        ...['--extract', `--file=${archive}`, '--force-local', '-C', place, '--preserve-permissions'],
        // Members need not come in the order of the tree.
        '--delay-directory-restore',
        ...['--numeric-owner', keepsOwners ? '--same-owner' : '--no-same-owner', '--warning=no-timestamp'],
        ...['--acls', '--xattrs', '--xattrs-include=user.*', '--no-selinux'],
        // A pattern is one line: where a name has more, any character stands for their ends.
        ...[
          '--anchored',
          `--exclude-from=${await list(
            'left',
            left.map((path) => `${escaped(tarName(path))}\n`),
          )}`,
        ],
        ...['--null', '--verbatim-files-from', '--no-recursion'],
        `--files-from=${await list(
          'above',
          above.map((path) => `${tarName(path)}\0`),
        )}`,
        ...[
          '--recursion',
          `--files-from=${await list(
            'asked',
            asked.map((path) => `${tarName(path)}\0`),
          )}`,
        ],
      ],
      what,
      debian: 'tar',
      onComplaint: (text) => complaints.push(text),
    },
    new AbortController().signal,
  );
  if (exit === 0) return [];
  if (exit !== SOME_FAILED) throw moduleFailed({ program: 'tar', what }, exit, firstLines);
  return complaints
    .join('')
    .split('\n')
    .filter((line) => line !== '' && !line.includes('Exiting with failure status'));
}

/** tar's exit code where it said what of it failed, and went on. */
const SOME_FAILED = 2;

function escaped(name: string): string {
  return name.replace(/[[\]\\*?]/g, '\\$&').replaceAll('\n', '?');
}

function isDevice(type: string): boolean {
  return ['b', 'c', 'p'].includes(type);
}

/** What is to be there by the last state and is not, with what is known of why. */
async function absent(
  state: TreeState,
  newest: ReadonlyMap<string, Member>,
  wanted: readonly string[],
  place: string,
  { volume, exclude, mountPoints }: Absences,
): Promise<{ readonly missing: readonly string[]; readonly notKept: readonly string[] }> {
  const missing: string[] = [];
  const notKept: string[] = [];
  const root = volume.name === '/' ? '' : (volume.name ?? volume.id);
  for (const [directory, names] of state) {
    for (const name of names.keys()) {
      const path = pathBelow(directory, name);
      if (!wanted.some((top) => isWithin(path, top))) continue;
      const called = `${root}/${textOf(path)}`;
      const type = newest.get(path)?.type;
      if (type !== undefined && isDevice(type))
        notKept.push(`${called}: a ${type === 'p' ? 'pipe' : 'device'} is not copied`);
      else if ((await lstat(pathIn(place, path)).catch(() => undefined)) !== undefined) continue;
      else if (type !== undefined) missing.push(`${called} could not be extracted`);
      else if (!mountPoints.has(called) && !isLeftOut(called, exclude))
        notKept.push(`${called}: it is in no archive, as a socket or what another pattern excluded`);
    }
  }
  return { missing, notKept };
}

/** Whether an exclude names it or what it lies in; letters of any case are the same, where one should have meant less. */
function isLeftOut(called: string, exclude: readonly string[]): boolean {
  const steps = called.split('/');
  return exclude.some((pattern) => {
    if (!isPath(pattern)) return steps.some((step) => isMatch(pattern, step, true));
    const parts = pattern.replace(/[\\/]+$/, '').split(/[\\/]/);
    return parts.length <= steps.length && parts.every((part, n) => isMatch(part, steps[n] ?? '', true));
  });
}

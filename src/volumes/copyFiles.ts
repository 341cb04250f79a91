import { EverthawError } from '../domain/errors.js';
import { placeOf } from './guestPath.js';
import { makePlace } from './makePlace.js';
import type { GuestRoot } from './guestFile.js';
import { endOfTool, saidBy } from './tool.js';
import type { NamedVolume } from './volume.js';

/** Files of one volume that are wanted. */
export interface CopySource {
  readonly volume: NamedVolume;
  readonly root: GuestRoot;
  /** Paths below its root; one without steps is all of it. */
  readonly files: readonly (readonly string[])[];
}

export interface CopiedFiles {
  readonly files: number;
  readonly bytes: number;
  /** What was not copied though it should have been: a line for each, and how many more there are. */
  readonly failures: readonly string[];
  /** What is never copied: devices, pipes and sockets, and the set-uid bits of files that were. */
  readonly notKept: readonly string[];
}

const MOST_TOLD = 200;

/**
 * Copies files with all that their file system gives and this one takes, one volume after the other, into a directory that is
 * empty and nobody else's. Links are copied as links and never gone through, here or there.
 *
 * @throws EverthawError where a program is missing
 */
export async function copyFiles(
  sources: readonly CopySource[],
  to: string,
  keepsOwners: boolean,
  onBytes: (bytes: number) => void,
): Promise<CopiedFiles> {
  let files = 0;
  let bytes = 0;
  const failures: string[] = [];
  const notKept: string[] = [];
  const upper = [...sources].sort((a, b) => placeOf(a.volume).length - placeOf(b.volume).length);
  for (const source of upper) {
    const place = await makePlace(to, placeOf(source.volume));
    if (place === undefined) {
      failures.push(
        `volume ${source.volume.id}: what the guest has at ${source.volume.name ?? ''} is no directory`,
      );
      continue;
    }
    const before = bytes;
    notKept.push(
      ...(await leftOut(source, () => {
        onBytes(before);
      })),
    );
    const copied = await copySource(source, place, keepsOwners, (now) => {
      onBytes(before + now);
    });
    files += copied.files;
    bytes += copied.bytes;
    failures.push(...copied.failures);
  }
  return { files, bytes, failures: shortened(failures), notKept: shortened(notKept) };
}

/** As many as anybody reads. */
export function shortened(lines: readonly string[]): readonly string[] {
  return lines.length <= MOST_TOLD
    ? lines
    : [...lines.slice(0, MOST_TOLD), `and ${lines.length - MOST_TOLD} more`];
}

async function copySource(
  { volume, root, files }: CopySource,
  place: string,
  keepsOwners: boolean,
  onBytes: (bytes: number) => void,
): Promise<Omit<CopiedFiles, 'notKept'>> {
  const what = `copy files of volume ${volume.id}`;
  const complaints: string[] = [];
  let printed = '';
  const { exit } = await endOfTool({
    program: 'rsync',
    args: [
      ...['--recursive', '--links', '--perms', '--times', '--hard-links', '--sparse', '--relative'],
      ...['--acls', '--xattrs', '--filter=-x security.*', '--filter=-x trusted.*'],
      ...(keepsOwners ? ['--owner', '--group', '--numeric-ids'] : []),
      ...[
        volume.limits === undefined ? '--chmod=Fu-s,Fg-s' : '--chmod=D0700,F0600',
        '--no-human-readable',
        '--outbuf=L',
        '--info=progress2,stats2,nonreg0',
      ],
      '--',
      ...files.map((steps) => `${root.directory}/./${steps.join('/')}`),
      `${place}/`,
    ],
    what,
    onOutput: (text) => {
      printed = (printed + text).slice(-PRINTED_CHARACTERS);
      const told = [...text.matchAll(/^\s*(\d+)\s+\d+%/gm)].at(-1)?.[1];
      if (told !== undefined) onBytes(Number(told));
    },
    onComplaint: (text) => complaints.push(text),
  });
  const lines = complaints
    .join('')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('rsync error:'))
    .map((line) => inGuest(line, volume, root));
  const isPartial = exit === PARTIAL || exit === VANISHED;
  if (exit !== 0 && !isPartial) throw failed(what, saidBy('rsync', exit, complaints.join('')));
  return {
    files: Number(/^Number of regular files transferred: (\d+)/m.exec(printed)?.[1] ?? 0),
    bytes: Number(/^Total transferred file size: (\d+)/m.exec(printed)?.[1] ?? 0),
    failures: isPartial && lines.length === 0 ? [`volume ${volume.id}: rsync ended with ${exit}`] : lines,
  };
}

const PRINTED_CHARACTERS = 4000;
/** rsync's exit codes where some files were not copied, and it said which. */
const PARTIAL = 23;
const VANISHED = 24;

/** What of the files is never copied: it would be of use to whoever gets hold of it here. */
async function leftOut({ volume, root, files }: CopySource, beat: () => void): Promise<readonly string[]> {
  if (volume.limits !== undefined) return [];
  const printed: string[] = [];
  const paths = files.map((steps) => `${root.directory}/${steps.join('/')}`);
  const types = ['b', 'c', 'p', 's'].flatMap((type) => ['-type', type, '-o']);
  await endOfTool({
    program: 'find',
    args: [
      ...[...paths, '(', ...types, '-type', 'f', '-perm', '/6000', ')'],
      ...['-printf', '%y\\t%p\\0', '-o', '-type', 'd', '-printf', '\\0'],
    ],
    what: `look through volume ${volume.id}`,
    onOutput: (text) => {
      printed.push(text);
      beat();
    },
  });
  return printed
    .join('')
    .split('\0')
    .filter((line) => line !== '')
    .map((line) => {
      const [type = '', path = ''] = line.split('\t', 2);
      return `${inGuest(path, volume, root)}: ${LEFT_OUT[type] ?? type}`;
    });
}

const LEFT_OUT: Readonly<Record<string, string>> = {
  b: 'a device is not copied',
  c: 'a device is not copied',
  p: 'a pipe is not copied',
  s: 'a socket is not copied',
  f: 'its set-uid or set-gid bit is not kept',
};

/** As the guest names it. */
function inGuest(text: string, { name, id }: NamedVolume, { directory }: GuestRoot): string {
  return text.replaceAll(directory, name === '/' ? '' : (name ?? id));
}

function failed(what: string, why: string): EverthawError {
  return new EverthawError({
    code: 'ProgramFailed',
    what,
    why,
    hint: 'see that the directory has room and may be written to, and copy into a new one',
  });
}

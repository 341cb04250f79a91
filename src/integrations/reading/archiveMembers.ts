import { bytesOf, pathIn } from './treeState.js';
import { endOfModule, moduleFailed } from '../moduleProgram.js';
import { wholeLines } from '../wholeLines.js';

/** What an archive says of a file. Names are bytes (treeState.ts). */
export interface Member {
  readonly path: string;
  /** As ls shows it: `-`, `d`, `l`, `b`, `c`, `p`, or `h`, another name of a file of the same archive. */
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  /** ISO 8601. */
  readonly modified: string;
  /** Of a link. */
  readonly target?: string;
}

const LINE =
  /^([-dlhbcpCDVMS])(\S{9})\S? +(\d+)\/(\d+) +(\d+)(?:,\d+)? +(\S+) (\S+) +"((?:[^"\\]|\\.)*)"(?: (?:->|link to) "((?:[^"\\]|\\.)*)")?$/;

/** Tells of each member of an archive; of its data nothing is read. @throws EverthawError */
export async function readMembers(archive: string, tell: (member: Member) => void): Promise<void> {
  let unread: string | undefined;
  const what = `list the archive "${archive}"`;
  const { exit, firstLines } = await endOfModule(
    {
      program: 'tar',
      args: [
        ...['--list', '--verbose', '--utc', '--full-time', '--numeric-owner', '--quoting-style=c'],
        ...['--warning=no-timestamp', `--file=${archive}`, '--force-local'],
      ],
      what,
      debian: 'tar',
      onOutput: wholeLines((line) => {
        const member = parseMember(line);
        if (member === undefined) unread ??= line;
        else tell(member);
      }).add,
    },
    new AbortController().signal,
  );
  if (exit !== 0) throw moduleFailed({ program: 'tar', what }, exit, firstLines);
  if (unread !== undefined)
    throw moduleFailed({ program: 'tar', what }, exit, [`what it says cannot be read: ${unread}`]);
}

export function parseMember(line: string): Member | undefined {
  const [, type = '', permissions = '', uid, gid, size, day, time, name = '', target] = LINE.exec(line) ?? [];
  if (type === '') return undefined;
  return {
    path: pathIn(unquoted(name)),
    type: type === 'D' ? 'd' : type,
    mode: modeOf(permissions),
    ...{ uid: Number(uid), gid: Number(gid), sizeBytes: Number(size) },
    modified: isoOf(`${day ?? ''}T${time ?? ''}Z`),
    ...(target === undefined ? {} : { target: unquoted(target) }),
  };
}

function isoOf(text: string): string {
  const time = Date.parse(text.replace(/(\.\d{3})\d*/, '$1'));
  return Number.isNaN(time) ? text : new Date(time).toISOString();
}

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' },
};

/** What C would make of it, in bytes. */
function unquoted(text: string): string {
  return text.replace(
    /\\([0-7]{3})|\\(.)|([^\\]+)/gs,
    (_, octal?: string, letter?: string, plain?: string) =>
      octal !== undefined
        ? String.fromCharCode(parseInt(octal, 8))
        : letter !== undefined
          ? (ESCAPES[letter] ?? letter)
          : bytesOf(plain ?? ''),
  );
}

/** `rwsr-x--T` */
function modeOf(permissions: string): number {
  let mode = 0;
  for (const [n, letter] of Array.from(permissions).entries()) {
    if (/[rwxst]/.test(letter)) mode |= 0o400 >> n;
    if (/[sStT]/.test(letter)) mode |= 0o4000 >> Math.floor(n / 3);
  }
  return mode;
}

/*
 * The file in which GNU tar keeps what it saw (`--listed-incremental`, format 2): a line that names it, then fields that end with a NUL. The first two
 * are the time by which it will tell what changed. Each directory has six (whether it is on NFS, its time, device, inode, name), then its
 * entries, each with a letter before its name, and an empty entry and an empty field behind them.
 */

/** What stood in one directory. Names are bytes, each a character from U+0000 to U+00FF. */
export interface ListedDirectory {
  readonly nfs: string;
  readonly seconds: string;
  readonly nanoseconds: string;
  readonly device: string;
  readonly inode: string;
  /** As tar was told of it: `.`, `./srv/data`. */
  readonly name: string;
  readonly entries: readonly ListedEntry[];
}

export interface ListedEntry {
  readonly name: string;
  /** A directory on this file system; what is mounted on one is not. */
  readonly isDirectory: boolean;
  readonly letter: string;
}

export interface Listing {
  readonly version: string;
  /** What changed at this time or after it, or is of another name, goes into the next archive. */
  readonly since: { readonly seconds: string; readonly nanoseconds: string };
  readonly directories: readonly ListedDirectory[];
}

/** No file system has it: what is renamed is so told from what is new by nothing, and archived whole under its new name. */
export const NO_DEVICE = '0';

const END = '\0';

/** @throws Error that says what is wrong with it */
export function parseListing(bytes: Buffer): Listing {
  const text = bytes.toString('latin1');
  const line = text.indexOf('\n');
  const version = text.slice(0, line);
  if (line < 0 || !/^GNU tar-.*-2$/.test(version)) throw new Error('it is no listing of GNU tar, format 2');
  let at = line + 1;
  const field = (): string => {
    const end = text.indexOf(END, at);
    if (end < 0) throw new Error('it is cut off');
    const value = text.slice(at, end);
    at = end + 1;
    return value;
  };
  const number = (): string => {
    const value = field();
    if (!/^-?\d+$/.test(value)) throw new Error('it has something else where a number is to be');
    return value;
  };
  const since = { seconds: number(), nanoseconds: number() };
  const directories: ListedDirectory[] = [];
  while (at < text.length) {
    const head = {
      ...{ nfs: number(), seconds: number(), nanoseconds: number() },
      ...{ device: number(), inode: number(), name: field() },
    };
    const entries: ListedEntry[] = [];
    for (let entry = field(); entry !== ''; entry = field())
      entries.push({ name: entry.slice(1), isDirectory: entry.startsWith('D'), letter: entry.slice(0, 1) });
    if (field() !== '') throw new Error('a directory in it does not end');
    directories.push({ ...head, entries });
  }
  return { version, since, directories };
}

export function formatListing({ version, since, directories }: Listing): Buffer {
  const parts = [`${version}\n`, since.seconds, END, since.nanoseconds, END];
  for (const { nfs, seconds, nanoseconds, device, inode, name, entries } of directories) {
    parts.push([nfs, seconds, nanoseconds, device, inode, name].join(END), END);
    for (const entry of entries) parts.push(entry.letter, entry.name, END);
    parts.push(END, END);
  }
  return Buffer.from(parts.join(''), 'latin1');
}

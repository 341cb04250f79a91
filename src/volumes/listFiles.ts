import type { Stats } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { mapAtMost } from '../system/mapAtMost.js';
import { findGuestFile, type GuestRoot } from './guestFile.js';

/** One name in a guest's directory. */
export interface FileEntry {
  /** Bytes that are no UTF-8 are shown as U+FFFD, and given in `nameBase64`. */
  readonly name: string;
  readonly nameBase64?: string;
  readonly type: 'file' | 'directory' | 'link' | 'device' | 'pipe' | 'socket' | 'unreadable';
  readonly sizeBytes?: number;
  /** ISO 8601. */
  readonly modified?: string;
  /** The last four octal digits. */
  readonly mode?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** Of a link: where it leads in the guest. */
  readonly target?: string;
  /** Why nothing is known of it. */
  readonly why?: string;
}

/** As many as a message may hold. */
const BATCH = 500;
const AT_ONCE = 8;

/** Tells what is in a directory, by name, or of the one file that a path names. @throws EverthawError FileNotFound */
export async function listFiles(
  root: GuestRoot,
  steps: readonly string[],
  tell: (entries: readonly FileEntry[]) => void,
): Promise<void> {
  const { path, stats } = await findGuestFile(root, steps);
  if (!stats.isDirectory()) {
    tell([await entryOf(Buffer.from(path), Buffer.from(steps.at(-1) ?? '/'))]);
    return;
  }
  const names = (await readdir(Buffer.from(path), { encoding: 'buffer' })).sort((a, b) =>
    Buffer.compare(a, b),
  );
  const directory = Buffer.from(`${path}/`);
  for (let n = 0; n < names.length; n += BATCH)
    tell(
      await mapAtMost(AT_ONCE, names.slice(n, n + BATCH), (name) =>
        entryOf(Buffer.concat([directory, name]), name),
      ),
    );
}

async function entryOf(path: Buffer, bytes: Buffer): Promise<FileEntry> {
  const name = bytes.toString('utf8');
  const isUtf8 = Buffer.from(name).equals(bytes);
  const named = { name, ...(isUtf8 ? {} : { nameBase64: bytes.toString('base64') }) };
  try {
    const stats = await lstat(path);
    return {
      ...named,
      type: typeOf(stats),
      sizeBytes: stats.size,
      modified: stats.mtime.toISOString(),
      mode: (stats.mode & 0o7777).toString(8).padStart(4, '0'),
      uid: stats.uid,
      gid: stats.gid,
      ...(stats.isSymbolicLink() ? { target: await readlink(path) } : {}),
    };
  } catch (error) {
    return { ...named, type: 'unreadable', why: (error as NodeJS.ErrnoException).code ?? String(error) };
  }
}

function typeOf(stats: Stats): FileEntry['type'] {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  if (stats.isSymbolicLink()) return 'link';
  if (stats.isFIFO()) return 'pipe';
  return stats.isSocket() ? 'socket' : 'device';
}

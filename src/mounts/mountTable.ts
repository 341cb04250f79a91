import { readFile } from 'node:fs/promises';
import { EverthawError } from '../domain/errors.js';
import { endOfTool, saidBy } from '../volumes/tool.js';

const UMOUNT_MS = 30_000;

/** A line of mountinfo. */
interface MountPoint {
  readonly path: string;
  readonly fileSystem: string;
}

/** What is mounted at a directory and below it, the last that was mounted first. */
export async function mountsBelow(directory: string): Promise<readonly MountPoint[]> {
  const all = parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8'));
  return all.filter(({ path }) => path === directory || path.startsWith(`${directory}/`)).reverse();
}

/** The first of some directories that no FUSE file system is mounted at. */
export async function notMounted(directories: readonly string[]): Promise<string | undefined> {
  const all = parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8'));
  const fuse = new Set(all.filter(({ fileSystem }) => fileSystem.startsWith('fuse')).map(({ path }) => path));
  return directories.find((directory) => !fuse.has(directory));
}

/**
 * Takes away every FUSE mount at a directory and below it. What somebody reads there still is taken away as well: its files are gone for who opens them,
 * and end in an error for who has them open.
 *
 * @throws EverthawError ResourceBusy where something is mounted there that is not ours
 */
export async function unmountBelow(directory: string): Promise<void> {
  for (const { path, fileSystem } of await mountsBelow(directory)) {
    if (!fileSystem.startsWith('fuse')) {
      throw new EverthawError({
        code: 'ResourceBusy',
        what: `unmount "${path}"`,
        why: `somebody mounted a file system of type ${fileSystem} there`,
        hint: 'unmount it; the rest is let go of then',
        retry: 'again',
      });
    }
    const what = `unmount "${path}"`;
    // A reader that hangs must not be asked about its files: the path is taken as it is.
    const args = ['--internal-only', '--no-canonicalize', '--lazy', '--', path];
    const { exit, tail } = await endOfTool({ program: 'umount', args, what, timeoutMs: UMOUNT_MS });
    const isThere = (await mountsBelow(directory)).some((mount) => mount.path === path);
    if (exit === 0 || !isThere) continue;
    throw new EverthawError({
      code: 'ResourceBusy',
      what,
      why: saidBy('umount', exit, tail),
      hint: 'it is tried again until it is gone',
      retry: 'again',
    });
  }
}

/** Lines `36 35 98:0 / /mnt/a\040b rw,noatime shared:1 - fuse.fuse2fs /dev/x rw`; in mounting order. */
export function parseMountInfo(text: string): readonly MountPoint[] {
  return text.split('\n').flatMap((line) => {
    const [before = '', behind = ''] = line.split(' - ');
    const path = before.split(' ')[4];
    const fileSystem = behind.split(' ')[0];
    if (path === undefined || fileSystem === undefined || fileSystem === '') return [];
    return [{ path: unescapeOctal(path), fileSystem }];
  });
}

function unescapeOctal(path: string): string {
  const bytes = Buffer.from(path, 'utf8').toString('latin1');
  const plain = bytes.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
  return Buffer.from(plain, 'latin1').toString('utf8');
}

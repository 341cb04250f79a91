import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  realpathSync,
  statSync,
  type Stats,
} from 'node:fs';
import { dirname, resolve } from 'node:path';

/** No configuration is longer. */
const LONGEST_BYTES = 1024 * 1024;

const WRITABLE_BY_OTHERS = 0o022;
const READABLE_BY_OTHERS = 0o044;
const STICKY = 0o1000;

export interface ReadFile {
  readonly text: string;
  /** Whether anybody but its owner may read it. */
  readonly readableByOthers: boolean;
  /** Why others could have written it, if they could: the file, or a directory above it. */
  readonly untrusted: string | undefined;
}

/**
 * Reads a configuration file whole. All that is told of it is told of the very file that was opened, whatever its name leads to
 * by now.
 *
 * @throws Error that says why in a few words; `code` ENOENT where there is no such file
 */
export function readConfigFile(file: string): ReadFile {
  // Not to wait for whoever writes to a pipe of that name.
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(descriptor);
    // /dev/null is an empty file, and the usual way to say that there is none.
    if (!stats.isFile() && !stats.isCharacterDevice()) throw new Error('it is no regular file');
    if (stats.size > LONGEST_BYTES) throw new Error(`it is longer than ${LONGEST_BYTES} bytes`);
    return {
      text: stats.isFile() ? readFileSync(descriptor, 'utf8').replace(/^\uFEFF/, '') : '',
      readableByOthers: stats.isFile() && (stats.mode & READABLE_BY_OTHERS) !== 0,
      untrusted: stats.isFile() ? distrust(file, stats) : undefined,
    };
  } finally {
    closeSync(descriptor);
  }
}

/** Who could put other words into the file: only root and this user may. @returns undefined where nobody else can */
function distrust(file: string, opened: Stats): string | undefined {
  const real = realpathSync(file);
  const now = statSync(real);
  if (now.dev !== opened.dev || now.ino !== opened.ino) return 'it was replaced while it was read';
  const own = distrustOf(opened, `"${real}"`);
  if (own !== undefined) return own;
  // Whoever can write a directory on the way can put another file there; also on the way of a symbolic link.
  for (const directory of new Set([...above(resolve(file)), ...above(real)])) {
    const stats = statSync(directory);
    // In a directory like /tmp nobody can replace what is another's.
    const isSticky = (stats.mode & STICKY) !== 0;
    const why = distrustOf(stats, `the directory "${directory}"`, isSticky ? 0 : WRITABLE_BY_OTHERS);
    if (why !== undefined) return why;
  }
  return undefined;
}

function distrustOf({ uid, mode }: Stats, what: string, writable = WRITABLE_BY_OTHERS): string | undefined {
  const self = process.geteuid?.() ?? 0;
  if (uid !== 0 && uid !== self) return `${what} belongs to user ${uid}, neither root nor this one (${self})`;
  if ((mode & writable) !== 0)
    return `${what} can be written by others (mode ${(mode & 0o7777).toString(8)})`;
  return undefined;
}

function above(path: string): readonly string[] {
  const parent = dirname(path);
  return parent === path ? [] : [parent, ...above(parent)];
}

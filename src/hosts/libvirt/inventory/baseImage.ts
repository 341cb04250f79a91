import { isErrorWithCode, messageOf } from '../../../domain/errors.js';
import type { DiskImage, DomainDisk } from '../xml/domain.js';
import type { HostShell } from '../../../system/hostShell.js';
import { readImages } from './imageInfo.js';

/** Begins the name of every directory that overlays of ours lie in. */
const OURS = '.everthaw-';

/** Where a disk's data lie when no backup runs. */
export interface BaseImage {
  readonly path: string;
  readonly format: string;
  readonly isDevice: boolean;
}

/** Whether an image is an overlay that we put above a disk for a backup. */
export function isOurOverlay(path: string): boolean {
  return path
    .split('/')
    .slice(0, -1)
    .some((name) => name.startsWith(OURS));
}

/**
 * The disk's own image: the first that is none of our overlays. `running` is the disk as the running domain tells it, with all
 * that lies under it. A text says why there is none.
 */
export async function baseImageOf(
  shell: HostShell,
  disk: DomainDisk,
  running: DomainDisk | undefined,
): Promise<BaseImage | string> {
  const { path, format } = disk;
  if (path === undefined) return 'its definition names no image';
  if (!isOurOverlay(path)) return { path, format, isDevice: disk.sourceType === 'block' };
  const told = running?.path === path ? running.backing : disk.backing;
  const base = firstBase(told);
  if (base !== undefined) return base;
  try {
    const seen = firstBase(await readImages(shell, path, format));
    return seen ?? `it runs on ${path}, left by a backup, and nothing lies under that`;
  } catch (error) {
    if (isErrorWithCode(error, 'HostUnreachable')) throw error;
    return `it runs on ${path}, left by a backup, which cannot be read: ${messageOf(error)}`;
  }
}

function firstBase(chain: readonly DiskImage[]): BaseImage | undefined {
  const base = chain.find(({ path }) => path !== undefined && !isOurOverlay(path));
  if (base?.path === undefined) return undefined;
  return { path: base.path, format: base.format, isDevice: base.path.startsWith('/dev/') };
}

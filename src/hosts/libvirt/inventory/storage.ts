import type { HostShell } from '../../../system/hostShell.js';

export interface Space {
  /** Of the file system: `ext4`. */
  readonly kind: string;
  readonly capacityBytes: number;
  readonly freeBytes: number;
}

/** What is free where each of the directories lies; nothing is said of one that is not there. */
export async function freeSpace(
  shell: HostShell,
  directories: readonly string[],
): Promise<ReadonlyMap<string, Space>> {
  const spaces = new Map<string, Space>();
  for (const directory of directories) {
    const asked = ['LC_ALL=C', 'df', '--output=fstype,size,avail', '-B1', '--', directory];
    const { exit, stdout } = await shell.run('env', asked);
    const [kind, capacity, free] = stdout.trim().split('\n').at(-1)?.trim().split(/\s+/) ?? [];
    if (exit === 0 && kind !== undefined && free !== undefined)
      spaces.set(directory, { kind, capacityBytes: Number(capacity), freeBytes: Number(free) });
  }
  return spaces;
}

/** What files take on their file systems: holes take nothing. */
export async function usedBytes(shell: HostShell, files: readonly string[]): Promise<number> {
  if (files.length === 0) return 0;
  const { stdout } = await shell.run('stat', ['-L', '-c', '%b %B', '--', ...files]);
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number))
    .reduce((sum, [blocks = 0, blockBytes = 0]) => sum + blocks * blockBytes, 0);
}

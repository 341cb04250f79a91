import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const BOOT_ID = '/proc/sys/kernel/random/boot_id';
const MACHINE_ID = '/etc/machine-id';

/**
 * A program with arguments that becomes what is named behind it, and shows it that the machine was booted anew, or is another one.
 * Only root can; for others it is the same.
 *
 * @param directory where the files are kept that it is shown
 */
export async function disguise(
  directory: string,
  as: 'rebooted' | 'another machine',
): Promise<readonly string[]> {
  if (process.getuid?.() !== 0) return [];
  const shown = new Map<string, string>([[BOOT_ID, randomUUID()]]);
  if (as === 'another machine' && existsSync(MACHINE_ID))
    shown.set(MACHINE_ID, randomUUID().replaceAll('-', ''));
  const mounts: string[] = [];
  for (const [place, id] of shown) {
    const file = join(directory, `shown-${randomUUID()}`);
    await writeFile(file, `${id}\n`);
    mounts.push(file, place);
  }
  return [
    'unshare',
    '--mount',
    '--propagation',
    'unchanged',
    'sh',
    '-c',
    SCRIPT,
    'sh',
    String(shown.size),
    ...mounts,
  ];
}

/** What is shown stays its own. What it mounts in a directory that is shared (stage.ts) is mounted for everybody, as by any proxy. */
const SCRIPT = `
mount --make-private / && mount --make-private /proc || exit 1
count=$1
shift
while [ "$count" -gt 0 ]; do
  mount --bind "$1" "$2" || exit 1
  shift 2
  count=$((count - 1))
done
exec "$@"
`;

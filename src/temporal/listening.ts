import { readdir, readFile, readlink } from 'node:fs/promises';

/** State of a listening socket in /proc/net/tcp. */
const LISTEN = '0A';

/**
 * Whether this very process listens on a local port. That somebody answers there does not say it: when two servers start at
 * once on the same port, the one that lost it would be taken for the one that has it, and runs go to a stranger's worker.
 */
export async function isListening(pid: number, port: number): Promise<boolean> {
  const table = (await readFile(`/proc/${pid}/net/tcp`, 'utf8').catch(() => '')).split('\n').slice(1);
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const sockets = new Set<string>();
  for (const line of table) {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
    if (local?.endsWith(wanted) === true && state === LISTEN) sockets.add(`socket:[${inode ?? ''}]`);
  }
  if (sockets.size === 0) return false;
  for (const name of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
    const target = await readlink(`/proc/${pid}/fd/${name}`).catch(() => '');
    if (sockets.has(target)) return true;
  }
  return false;
}

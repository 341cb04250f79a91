import { readdir, rename, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { withFileLock } from '../system/fileLock.js';
import { readJson } from '../system/jsonFile.js';
import { until } from '../system/until.js';
import { isKeeperAlive } from './keeper.js';

/** How many volumes a keeper mounts, or waits to mount. It counts for as long as the keeper lives: nobody has to give it back. */
export interface Ticket {
  readonly keeper: string;
  /** When it was drawn, in milliseconds. */
  readonly since: number;
  readonly volumes: number;
  readonly isTaken: boolean;
}

const FILE = 'slots.json';
const LOOK_MS = 1000;

/**
 * Waits until this proxy has room for a keeper's volumes (F7): first come, first served, so that one with many is not passed by for ever by those with few.
 *
 * @param own the directory of the keeper that waits, beside those of all others
 * @param lock a file that is locked while they are counted
 */
export async function takeSlots(
  { own, lock }: { readonly own: string; readonly lock: string },
  { volumes, most }: { readonly volumes: number; readonly most: number },
  signal: AbortSignal,
  waiting: (taken: number) => void,
): Promise<void> {
  const ticket = { keeper: basename(own), since: Date.now(), volumes, isTaken: false };
  await noteTicket(own, ticket);
  await until(
    () =>
      withFileLock(lock, async () => {
        const others = (await livingTickets(dirname(own))).filter(({ keeper }) => keeper !== ticket.keeper);
        const isFree = hasRoom(ticket, others, most);
        if (isFree) await noteTicket(own, { ...ticket, isTaken: true });
        else waiting(others.filter(({ isTaken }) => isTaken).reduce((sum, each) => sum + each.volumes, 0));
        return isFree;
      }),
    signal,
    LOOK_MS,
  );
}

/** Whether a ticket's turn has come. One that wants more than there ever is has its turn when it is alone. */
export function hasRoom(ticket: Ticket, others: readonly Ticket[], most: number): boolean {
  const before = others.filter((other) => other.isTaken || isEarlier(other, ticket));
  const taken = before.reduce((sum, { volumes }) => sum + volumes, 0);
  return before.length === 0 || taken + ticket.volumes <= most;
}

function isEarlier(one: Ticket, other: Ticket): boolean {
  return one.since < other.since || (one.since === other.since && one.keeper < other.keeper);
}

async function livingTickets(keepers: string): Promise<readonly Ticket[]> {
  const found: Ticket[] = [];
  for (const { name } of (await readdir(keepers, { withFileTypes: true })).filter((e) => e.isDirectory())) {
    const directory = join(keepers, name);
    const ticket = await readJson<Ticket>(join(directory, FILE));
    if (ticket !== undefined && (await isKeeperAlive(directory))) found.push(ticket);
  }
  return found;
}

async function noteTicket(own: string, ticket: Ticket): Promise<void> {
  const file = join(own, FILE);
  await writeFile(`${file}.aside`, JSON.stringify(ticket), { mode: 0o600 });
  await rename(`${file}.aside`, file);
}

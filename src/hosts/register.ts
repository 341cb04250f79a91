import { mkdir, readdir, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { EverthawError } from '../domain/errors.js';
import { fileNameOf } from '../domain/fileName.js';
import { formatOwner, parseOwner, type OwnerRecord } from '../domain/owner.js';
import { writeWhole } from '../system/wholeFile.js';
import { LIBVIRT_SETTINGS } from './libvirt/connection/settings.js';
import { Secret } from './secret.js';

const ENTRY = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('vsphere'),
    uuid: z.string().min(1),
    address: z.string(),
    port: z.number().int(),
    username: z.string(),
    caFile: z.string().optional(),
    thumbprint: z.string().optional(),
    /** A datastore with less room ends a backup. */
    datastoreFloorBytes: z.number().int().nonnegative().optional(),
  }),
  z.object({
    kind: z.literal('libvirt'),
    uuid: z.string().min(1),
    /** libvirt's URI, as virsh takes it. */
    address: z.string(),
    settings: LIBVIRT_SETTINGS,
  }),
]);

/** A host as this proxy's worker reaches it; its secret lies beside it, readable for its owner only. */
export type HostEntry = z.infer<typeof ENTRY>;

/** A host before it was asked who it is. */
export type HostAddress = DistributiveOmit<HostEntry, 'uuid'>;

/** One lending of a host. */
export interface Loan {
  readonly hostUuid: string;
  readonly loan: string;
  /** The run that it was lent to; its run id is empty until its first step. */
  readonly owner: OwnerRecord | undefined;
  /** When it was lent, by this proxy's clock. */
  readonly since: number;
}

type DistributiveOmit<T, K extends keyof T> = T extends unknown ? Omit<T, K> : never;

/**
 * The hosts that this proxy's worker may log in to. A host is lent to a run before its first effect and until it needs it no
 * more, so that cleaning up never depends on the terminal that gave the password.
 *
 * `<directory>/<uuid>/<loan>/host.json`, `secret` (mode 0600), `owner`: the run that it was lent to. Each loan is whole in itself, appears by one renaming and is
 * nobody else's to remove: runs that begin and end together on one host cannot get into each other's way.
 */
export class HostRegister {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Lends a host under a name of the borrower's own, until {@link settle}. A run's id is not known yet: see {@link assign}. */
  async lend(entry: HostEntry, password: Secret, loan: string, owner?: OwnerRecord): Promise<void> {
    // Beside the hosts, where a worker watches: it is told when the loan moves to its place.
    const prepared = join(this.directory, `${PREPARED}${loan}`);
    await mkdir(prepared, { recursive: true, mode: 0o700 });
    await writeFile(join(prepared, 'secret'), password.reveal(), { mode: 0o600 });
    await writeFile(join(prepared, 'host.json'), JSON.stringify(entry, undefined, 2), { mode: 0o600 });
    if (owner !== undefined) await writeFile(join(prepared, OWNER_FILE), formatOwner(owner));
    const place = this.#place(entry.uuid);
    await rm(join(place, loan), { recursive: true, force: true });
    while (true) {
      try {
        await mkdir(place, { recursive: true, mode: 0o700 });
        await rename(prepared, join(place, loan));
        return;
      } catch (error) {
        // Another loan of the host was the last, and took the empty place away, perhaps while it was made.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
  }

  /** Notes the run that a loan is for, once it has begun: it is what the run asks by. A proxy that only visits has no such loan. */
  async assign(uuid: string, loan: string, owner: OwnerRecord): Promise<void> {
    const file = join(this.#place(uuid), loan, OWNER_FILE);
    // Whoever started the run and its first step note the same, perhaps at once.
    try {
      await writeWhole(file, formatOwner(owner));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }

  /** The borrower needs the host no more. */
  async settle(uuid: string, loan: string): Promise<void> {
    const place = this.#place(uuid);
    await rm(join(place, loan), { recursive: true, force: true });
    await rmdir(place).catch((error: unknown) => {
      // Not empty: others need the host. Gone: the other last one was faster.
      if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? ''))
        throw error;
    });
  }

  /** The hosts that are lent. `unreadable` is told of a loan that cannot be read: it keeps no other from being used. */
  async list(unreadable: TellUnreadable = passOver): Promise<readonly HostEntry[]> {
    const entries: HostEntry[] = [];
    for (const name of await this.#hosts()) {
      const newest = newestOf(await readLoans(join(this.directory, name), unreadable));
      if (newest !== undefined) entries.push(newest.entry);
    }
    return entries;
  }

  async loans(): Promise<readonly Loan[]> {
    const loans: Loan[] = [];
    for (const name of await this.#hosts()) {
      for (const { entry, loan, owner, since } of await readLoans(join(this.directory, name), passOver))
        loans.push({ hostUuid: entry.uuid, loan, owner, since });
    }
    return loans;
  }

  /**
   * The host as it was lent to `user`, a run's id or a loan's name; else as it was lent last, for a password may have changed since.
   *
   * @throws EverthawError HostNotRegistered
   */
  async get(uuid: string, user?: string): Promise<{ readonly entry: HostEntry; readonly password: Secret }> {
    const loans = await readLoans(this.#place(uuid), passOver);
    const own = loans.filter(({ loan, owner }) => user !== undefined && [owner?.runId, loan].includes(user));
    const lent = newestOf(own) ?? newestOf(loans);
    if (lent !== undefined) return lent;
    throw new EverthawError({
      code: 'HostNotRegistered',
      what: `log in to host ${uuid}`,
      why: 'this proxy has no address and password of it',
      hint: 'start a backup or restore of it from this proxy, which puts it into the register',
      retry: 'again',
    });
  }

  /** Folders of loans whose borrower died while it prepared them: a loan is prepared in no time, and by nobody else. */
  async unfinished(): Promise<readonly string[]> {
    const found: string[] = [];
    for (const name of await readdir(this.directory).catch(() => [])) {
      const folder = join(this.directory, name);
      if (!name.startsWith(PREPARED)) continue;
      const made = await stat(folder).catch(() => undefined);
      if (made !== undefined && Date.now() - made.mtimeMs > UNFINISHED_MS) found.push(folder);
    }
    return found;
  }

  async #hosts(): Promise<readonly string[]> {
    const names = await readdir(this.directory).catch(() => []);
    return names.filter((name) => !name.startsWith(PREPARED));
  }

  #place(uuid: string): string {
    return join(this.directory, fileNameOf(uuid));
  }
}

const PREPARED = '.new-';

const OWNER_FILE = 'owner';

/** After so long nobody is still preparing a loan. */
const UNFINISHED_MS = 3600_000;

type TellUnreadable = (loan: string, error: unknown) => void;

const passOver: TellUnreadable = () => undefined;

interface Lent {
  readonly loan: string;
  readonly entry: HostEntry;
  readonly password: Secret;
  readonly owner: OwnerRecord | undefined;
  readonly since: number;
}

/** A host's loans; one may go while it is read. */
async function readLoans(place: string, unreadable: TellUnreadable): Promise<readonly Lent[]> {
  const loans: Lent[] = [];
  for (const loan of await readdir(place).catch(() => [])) {
    const at = (name: string): string => join(place, loan, name);
    try {
      const { mtimeMs: since } = await stat(at('host.json'));
      const entry = ENTRY.parse(JSON.parse(await readFile(at('host.json'), 'utf8')));
      const password = new Secret(await readFile(at('secret'), 'utf8'));
      const owner = parseOwner(await readFile(at(OWNER_FILE), 'utf8').catch(() => ''));
      loans.push({ loan, entry, password, owner, since });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') unreadable(join(place, loan), error);
    }
  }
  return loans;
}

function newestOf(loans: readonly Lent[]): Lent | undefined {
  return loans.toSorted((one, other) => other.since - one.since)[0];
}

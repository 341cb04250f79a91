import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { EverthawError } from '../domain/errors.js';
import { Secret } from './secret.js';

const ENTRY = z.object({
  uuid: z.string().min(1),
  kind: z.literal('vsphere'),
  address: z.string(),
  port: z.number().int(),
  username: z.string(),
  caFile: z.string().optional(),
  thumbprint: z.string().optional(),
});

/** A host as this proxy's worker reaches it; its secret lies beside it, readable for its owner only. */
export type HostEntry = z.infer<typeof ENTRY>;

/**
 * The hosts that this proxy's worker may log in to. An entry is put here before a run has its first effect and stays until
 * no run needs it any more, so that cleaning up never depends on the terminal that gave the password.
 *
 * `<directory>/<uuid>/host.json`, `secret` (mode 0600), `loans/<name>`.
 */
export class HostRegister {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  async put(entry: HostEntry, password: Secret): Promise<void> {
    const place = this.#place(entry.uuid);
    await mkdir(join(place, 'loans'), { recursive: true, mode: 0o700 });
    await writeAtomically(join(place, 'secret'), password.reveal());
    await writeAtomically(join(place, 'host.json'), JSON.stringify(entry, undefined, 2));
  }

  /** Notes that somebody will need the host until {@link settle}; each has a name of his own. */
  async lend(uuid: string, loan: string): Promise<void> {
    await writeFile(join(this.#place(uuid), 'loans', loan), '', { mode: 0o600 });
  }

  /** The host is needed no more by that one; the last one takes the entry and its secret away. */
  async settle(uuid: string, loan: string): Promise<void> {
    const place = this.#place(uuid);
    await rm(join(place, 'loans', loan), { force: true });
    const needed = await readdir(join(place, 'loans')).catch(() => []);
    if (needed.length === 0) await rm(place, { recursive: true, force: true });
  }

  async list(): Promise<readonly HostEntry[]> {
    const entries: HostEntry[] = [];
    for (const uuid of await readdir(this.directory).catch(() => [])) {
      const entry = await this.#read(uuid);
      if (entry !== undefined) entries.push(entry);
    }
    return entries;
  }

  /** @throws EverthawError HostNotRegistered */
  async get(uuid: string): Promise<{ readonly entry: HostEntry; readonly password: Secret }> {
    const entry = await this.#read(uuid);
    const password = await readFile(join(this.#place(uuid), 'secret'), 'utf8').catch(() => undefined);
    if (entry !== undefined && password !== undefined) return { entry, password: new Secret(password) };
    throw new EverthawError({
      code: 'HostNotRegistered',
      what: `log in to host ${uuid}`,
      why: 'this proxy has no address and password of it',
      hint: 'start a backup or restore of it from this proxy, which puts it into the register',
      retry: 'again',
    });
  }

  async #read(uuid: string): Promise<HostEntry | undefined> {
    const text = await readFile(join(this.#place(uuid), 'host.json'), 'utf8').catch(() => undefined);
    return text === undefined ? undefined : ENTRY.parse(JSON.parse(text));
  }

  #place(uuid: string): string {
    return join(this.directory, encodeURIComponent(uuid));
  }
}

/** A reader sees the old content or the new, never half of it. */
async function writeAtomically(file: string, content: string): Promise<void> {
  await writeFile(`${file}.new`, content, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

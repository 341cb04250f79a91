import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrorWithCode } from '../domain/errors.js';
import { fileNameOf, vmNameOf } from '../domain/fileName.js';
import type { Host } from './host.js';
import type { HostAddress, HostEntry, HostRegister, Loan } from './register.js';
import type { Secret } from './secret.js';
import { sessionFiles } from './sessionFiles.js';
import type { SessionStore } from './vsphere/session.js';

/**
 * Open hosts, one login session for each run: ending it ends whatever on the host lives in it (leases, views), and nothing of
 * another run. Its cookie is kept in a file, so that a restarted worker goes on with the same session.
 */
export class HostPool {
  readonly #register: HostRegister;
  readonly #directory: string;
  readonly #open = new Map<string, Promise<Host>>();

  constructor(register: HostRegister, directory: string) {
    this.#register = register;
    this.#directory = directory;
  }

  /** The host in the session of `user`: a run's id, or another name of who needs it. */
  open(hostUuid: string, user: string): Promise<Host> {
    const key = `${hostUuid} ${user}`;
    let host = this.#open.get(key);
    if (host === undefined) {
      host = this.#openHost(hostUuid, user);
      this.#open.set(key, host);
      host.catch(() => this.#open.delete(key));
    }
    return host;
  }

  /** Ends the session of `user`, also one that an earlier process of this proxy left behind. */
  async end(hostUuid: string, user: string): Promise<void> {
    const key = `${hostUuid} ${user}`;
    if (!this.#open.has(key) && !(await this.hasSession(hostUuid, user))) return;
    try {
      const host = await this.open(hostUuid, user);
      await host.logout();
      this.#open.delete(key);
    } catch (error) {
      // Nobody here can log in there any more, nor out: the host ends an idle session by itself, what is noted of it is of no use.
      if (!isErrorWithCode(error, 'HostNotRegistered', 'LoginRefused')) throw error;
      const store = this.#store(hostUuid, user);
      for (const session of await store.load()) await store.forget(session);
      for (const mark of await store.begun()) await store.settle(mark);
    }
  }

  /** Whether one is kept here, or was begun, and nobody knows whether there is one. */
  async hasSession(hostUuid: string, user: string): Promise<boolean> {
    const store = this.#store(hostUuid, user);
    return (await store.load()).length > 0 || (await store.begun()).length > 0;
  }

  /** The cookie of the newest session of `user`, whichever process logged in: a secret. */
  async cookie(hostUuid: string, user: string): Promise<string | undefined> {
    const [newest] = await this.#store(hostUuid, user).load();
    return newest?.cookie;
  }

  /** Who has a session kept here: host and user. */
  async sessions(): Promise<readonly { readonly hostUuid: string; readonly user: string }[]> {
    const found: { hostUuid: string; user: string }[] = [];
    for (const hostUuid of await readdir(join(this.#directory, 'sessions')).catch(() => [])) {
      for (const user of await readdir(join(this.#directory, 'sessions', hostUuid))) {
        const session = { hostUuid: vmNameOf(hostUuid), user: vmNameOf(user) };
        // The last one may go while it is looked at.
        if (await this.hasSession(session.hostUuid, session.user)) found.push(session);
      }
    }
    return found;
  }

  /** The hosts that are lent; `unreadable` is told of a loan that cannot be read. */
  registered(unreadable?: (loan: string, error: unknown) => void): Promise<readonly HostEntry[]> {
    return this.#register.list(unreadable);
  }

  loans(): Promise<readonly Loan[]> {
    return this.#register.loans();
  }

  unfinishedLoans(): Promise<readonly string[]> {
    return this.#register.unfinished();
  }

  settle(hostUuid: string, loan: string): Promise<void> {
    return this.#register.settle(hostUuid, loan);
  }

  async #openHost(hostUuid: string, user: string): Promise<Host> {
    const { entry, password } = await this.#register.get(hostUuid, user);
    return openHost(entry, password, this.#store(hostUuid, user), this.#directory);
  }

  #store(hostUuid: string, user: string): SessionStore {
    return sessionFiles(join(this.#directory, 'sessions', fileNameOf(hostUuid), fileNameOf(user)));
  }
}

/** What is needed of a pool by who releases things. */
export type HostUse = Omit<HostPool, never>;

/**
 * Hosts for one who cleans up after many runs: in a run's own session while that is kept, for leases live in it; else in the
 * session of `user`, for to log in and out costs more than most releases.
 */
export function inOneSession(hosts: HostUse, user: string): HostUse {
  return {
    open: async (hostUuid, runId) =>
      hosts.open(hostUuid, (await hosts.hasSession(hostUuid, runId)) ? runId : user),
    end: (hostUuid, runId) => hosts.end(hostUuid, runId),
    hasSession: (hostUuid, runId) => hosts.hasSession(hostUuid, runId),
    cookie: (hostUuid, runId) => hosts.cookie(hostUuid, runId),
    sessions: () => hosts.sessions(),
    registered: (unreadable) => hosts.registered(unreadable),
    loans: () => hosts.loans(),
    unfinishedLoans: () => hosts.unfinishedLoans(),
    settle: (hostUuid, loan) => hosts.settle(hostUuid, loan),
  };
}

/**
 * Opens a host by its driver; without a store the session lives as long as the object does. Drivers are loaded when they are needed:
 * a command that talks to one does not wait for what the other is built on.
 */
export async function openHost(
  entry: HostAddress,
  password: Secret,
  store: SessionStore | undefined,
  stateDirectory: string,
): Promise<Host> {
  if (entry.kind === 'libvirt') {
    const { LibvirtHost } = await import('./libvirt/libvirtHost.js');
    return LibvirtHost.open(entry.address, entry.settings, stateDirectory);
  }
  const { VsphereHost } = await import('./vsphere/vsphereHost.js');
  const { address, port, username, caFile, thumbprint, datastoreFloorBytes } = entry;
  const trust = {
    ...(caFile === undefined ? {} : { caFile }),
    ...(thumbprint === undefined ? {} : { thumbprint }),
  };
  const certificates = join(stateDirectory, 'certificates');
  const at = { address, port, username, password, trust };
  return VsphereHost.open(at, store ?? FORGETFUL, certificates, datastoreFloorBytes);
}

const FORGETFUL: SessionStore = {
  load: () => Promise.resolve([]),
  begin: () => randomUUID(),
  keep: () => undefined,
  begun: () => Promise.resolve([]),
  settle: () => Promise.resolve(),
  forget: () => Promise.resolve(),
};

import { EverthawError } from '../../domain/errors.js';
import type { Secret } from '../secret.js';
import { translate, VimFault } from './faults.js';
import { returnValue, SoapClient } from './soapClient.js';
import { pinCertificate, type PinnedCertificate, type Trust } from './trust.js';
import { child, readRef, ref, refXml, text, type Ref, type XmlElement, type XmlInput } from './xml.js';

/**
 * Where a session's cookie is kept, so that a restarted worker goes on with the same session: leases live in it. Several processes of
 * a proxy share it, so each says which cookie it means.
 */
export interface SessionStore {
  load(): Promise<string | undefined>;
  /** Keeps `cookie` where `instead` (or none) is kept; where another process was first, its cookie is the answer. */
  keep(cookie: string, instead: string | undefined): Promise<string>;
  /** Forgets `cookie`, and no other that is kept by now. */
  forget(cookie: string): Promise<void>;
}

export interface VsphereAddress {
  readonly address: string;
  readonly port: number;
  readonly username: string;
  readonly password: Secret;
  readonly trust: Trust;
}

/** The managed objects that everything else is reached from. */
export interface ServiceContent {
  /** Empty on a standalone ESX host. */
  readonly instanceUuid: string;
  readonly product: string;
  /** `VirtualCenter` or `HostAgent` (a standalone ESX host). */
  readonly apiType: string;
  readonly rootFolder: Ref;
  readonly propertyCollector: Ref;
  readonly viewManager: Ref;
  readonly searchIndex: Ref;
  readonly sessionManager: Ref;
  readonly fileManager: Ref;
  readonly authorizationManager: Ref | undefined;
}

const SERVICE_INSTANCE = ref('ServiceInstance', 'ServiceInstance');

/** A login session: logs in at the first call, and again when the host has ended it. */
export class VsphereSession {
  readonly at: VsphereAddress;
  readonly #client: SoapClient;
  readonly #store: SessionStore;
  #content: Promise<ServiceContent> | undefined;
  #pin: Promise<PinnedCertificate> | undefined;
  #sessions = 0;
  #renewing: Promise<void> | undefined;

  constructor(at: VsphereAddress, store: SessionStore) {
    this.at = at;
    this.#client = new SoapClient(new URL(`https://${bracketed(at.address)}:${at.port}/sdk`), at.trust);
    this.#store = store;
  }

  get url(): URL {
    return this.#client.url;
  }

  /** How many sessions it has been in: objects that the host keeps for a session (views, collectors) die with each. */
  get sessions(): number {
    return this.#sessions;
  }

  content(): Promise<ServiceContent> {
    this.#content ??= this.#open().catch((error: unknown) => {
      this.#content = undefined;
      throw error;
    });
    return this.#content;
  }

  /** The session cookie: a secret, for native tools. */
  async cookie(): Promise<string> {
    await this.content();
    const cookie = this.#client.cookie();
    if (cookie === undefined) throw new Error('logged in without a cookie');
    return cookie;
  }

  /** Runs what talks to the host by the cookie alone; once again in a new session where the host knows this one no more. */
  async withCookie<T>(use: (cookie: string) => Promise<T>): Promise<T> {
    const cookie = await this.cookie();
    const sessions = this.#sessions;
    try {
      return await use(cookie);
    } catch (error) {
      if (!(error instanceof VimFault && error.type === 'NotAuthenticated')) throw error;
    }
    await this.#renew(sessions);
    return use(await this.cookie());
  }

  /** The host's certificate as native tools take it, where a thumbprint vouches for it. */
  async pinned(): Promise<PinnedCertificate | undefined> {
    const { thumbprint } = this.at.trust;
    if (thumbprint === undefined) return undefined;
    this.#pin ??= pinCertificate(this.at.address, this.at.port, thumbprint);
    return this.#pin;
  }

  /** Calls a method of a managed object; logs in again once when the session has ended meanwhile. */
  async call(
    what: string,
    self: Ref,
    method: string,
    parameters: Record<string, XmlInput> = {},
    options: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<XmlElement> {
    await this.content();
    const sessions = this.#sessions;
    try {
      return await this.#client.call(self, method, parameters, options);
    } catch (error) {
      if (!(error instanceof VimFault && error.type === 'NotAuthenticated')) throw translate(what, error);
    }
    try {
      await this.#renew(sessions);
      return await this.#client.call(self, method, parameters, options);
    } catch (error) {
      throw translate(what, error);
    }
  }

  /** Ends the session, and one that another process has begun in its place. */
  async logout(): Promise<void> {
    let cookie = this.#client.cookie() ?? (await this.#store.load());
    while (cookie !== undefined) {
      await this.#end(cookie).catch((error: unknown) => {
        throw translate(`log out from "${this.at.address}"`, error);
      });
      await this.#store.forget(cookie);
      cookie = await this.#store.load();
    }
    this.#content = undefined;
  }

  /** Ends the session of a cookie; where the host does not know it any more, that is what was wanted. */
  async #end(cookie: string): Promise<void> {
    this.#client.useCookie(cookie);
    try {
      const content = await this.#retrieveContent();
      await this.#client.call(content.sessionManager, 'Logout');
    } catch (error) {
      if (!(error instanceof VimFault && error.type === 'NotAuthenticated')) throw error;
    }
    this.#client.useCookie(undefined);
  }

  /** Goes on in a new session, once for all calls that were told together that this one (of `sessions`) has ended. */
  async #renew(sessions: number): Promise<void> {
    if (this.#sessions === sessions) {
      this.#renewing ??= this.#abandon().finally(() => (this.#renewing = undefined));
      await this.#renewing;
    }
    await this.content();
  }

  /** Leaves a session that the host has ended, or says so of; should it still live, nothing of ours stays in it. */
  async #abandon(): Promise<void> {
    const content = await this.#content;
    const cookie = this.#client.cookie();
    this.#content = undefined;
    if (content !== undefined) {
      await this.#client.call(content.sessionManager, 'Logout').catch((error: unknown) => {
        if (!(error instanceof VimFault)) throw error;
      });
    }
    this.#client.useCookie(undefined);
    if (cookie !== undefined) await this.#store.forget(cookie);
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #open(): Promise<ServiceContent> {
    const what = `log in to "${this.at.address}" as "${this.at.username}"`;
    try {
      const kept = await this.#store.load();
      this.#client.useCookie(kept);
      const content = await this.#retrieveContent();
      if (kept === undefined || !(await this.#isLoggedIn(content))) await this.#logIn(content, kept);
      this.#sessions++;
      return content;
    } catch (error) {
      const translated = translate(what, error);
      if (translated.code === 'LoginRefused') {
        // Its own message, for the host's may repeat what was sent.
        throw new EverthawError({
          code: 'LoginRefused',
          what,
          why: 'the host refused user name or password',
          hint: translated.hint,
        });
      }
      throw translated;
    }
  }

  /** Begins a session where that of the cookie `dead` is over; goes on in another process's that was first. */
  async #logIn(content: ServiceContent, dead: string | undefined): Promise<void> {
    this.#client.useCookie(undefined);
    await this.#client.call(content.sessionManager, 'Login', {
      userName: this.at.username,
      password: this.at.password.reveal(),
    });
    const own = this.#client.cookie();
    if (own === undefined) throw new Error('logged in without a cookie');
    const kept = await this.#store.keep(own, dead);
    if (kept === own) return;
    await this.#end(own);
    this.#client.useCookie(kept);
  }

  async #isLoggedIn(content: ServiceContent): Promise<boolean> {
    try {
      const answer = await this.#client.call(content.propertyCollector, 'RetrievePropertiesEx', {
        specSet: {
          propSet: { type: 'SessionManager', all: false, pathSet: 'currentSession' },
          objectSet: { obj: refXml(content.sessionManager) },
        },
        options: {},
      });
      return text(returnValue(answer), 'objects', 'propSet', 'val', 'key') !== '';
    } catch (error) {
      if (error instanceof VimFault) return false;
      throw error;
    }
  }

  async #retrieveContent(): Promise<ServiceContent> {
    const content = returnValue(await this.#client.call(SERVICE_INSTANCE, 'RetrieveServiceContent'));
    const object = (name: string): Ref => {
      const found = readRef(child(content, name));
      if (found === undefined) throw new Error(`the host offers no ${name}`);
      return found;
    };
    return {
      instanceUuid: text(content, 'about', 'instanceUuid'),
      product: text(content, 'about', 'fullName'),
      apiType: text(content, 'about', 'apiType'),
      rootFolder: object('rootFolder'),
      propertyCollector: object('propertyCollector'),
      viewManager: object('viewManager'),
      searchIndex: object('searchIndex'),
      sessionManager: object('sessionManager'),
      fileManager: object('fileManager'),
      authorizationManager: readRef(child(content, 'authorizationManager')),
    };
  }
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

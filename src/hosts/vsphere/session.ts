import { EverthawError, isErrorWithCode } from '../../domain/errors.js';
import type { Secret } from '../secret.js';
import { translate, VimFault } from './faults.js';
import { returnValue, SoapClient, USER_AGENT } from './soapClient.js';
import { pinCertificate, type PinnedCertificate, type Trust } from './trust.js';
import {
  child,
  children,
  readRef,
  ref,
  refXml,
  text,
  type Ref,
  type XmlElement,
  type XmlInput,
} from './xml.js';

/** A session that was noted. */
export interface KeptSession {
  readonly id: string;
  readonly cookie: string;
}

/**
 * Where sessions are noted, so that a restarted worker goes on with the same one: leases live in it. Processes of a proxy share it: each
 * goes on in a session of another's that lives, and whoever ends a run ends all that are noted.
 */
export interface SessionStore {
  /** The newest first. */
  load(): Promise<readonly KeptSession[]>;
  /** Notes that a login is about to begin, before it does. @returns its mark, which no other has */
  begin(): string;
  /** Notes what the login of that mark came to, and that it is over. Done when it returns. */
  keep(cookie: string, mark: string): void;
  /** Marks of logins of which it is not known what they came to. */
  begun(): Promise<readonly string[]>;
  /** That login is over. */
  settle(mark: string): Promise<void>;
  forget(session: KeptSession): Promise<void>;
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
      if (!isFault(error, 'NotAuthenticated')) throw error;
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
      if (!isFault(error, 'NotAuthenticated')) throw translate(what, error);
    }
    try {
      await this.#renew(sessions);
      return await this.#client.call(self, method, parameters, options);
    } catch (error) {
      throw translate(what, error);
    }
  }

  /** Ends the session, and those that other processes have begun beside it. */
  async logout(): Promise<void> {
    const begun = await this.#store.begun();
    if (begun.length > 0) await this.#endBegun(begun);
    await this.#end(this.#client.cookie());
    for (const session of await this.#store.load()) {
      await this.#end(session.cookie);
      await this.#store.forget(session);
    }
    this.#content = undefined;
  }

  /**
   * Ends what logins came to whose answer nobody noted: who was killed then, or cut off, left a session. The host's list of sessions tells
   * them by their marks, to a user who may see it (Sessions.TerminateSession); else the host ends them as idle.
   */
  async #endBegun(marks: readonly string[]): Promise<void> {
    try {
      const { sessionManager, propertyCollector } = await this.content();
      const answer = await this.#client.call(propertyCollector, 'RetrievePropertiesEx', {
        specSet: {
          propSet: { type: 'SessionManager', all: false, pathSet: ['currentSession', 'sessionList'] },
          objectSet: { obj: refXml(sessionManager) },
        },
        options: {},
      });
      const properties = children(child(returnValue(answer), 'objects'), 'propSet');
      const property = (name: string): XmlInput | undefined =>
        child(
          properties.find((each) => text(each, 'name') === name),
          'val',
        );
      const current = text(property('currentSession'), 'key');
      const agents = marks.map(agentOf);
      const keys = children(property('sessionList'), 'UserSession')
        .filter((session) => agents.includes(text(session, 'userAgent')))
        .map((session) => text(session, 'key'))
        .filter((key) => key !== current);
      for (const key of keys)
        await this.#client
          .call(sessionManager, 'TerminateSession', { sessionId: [key] })
          .catch(ignoring('NotFound'));
    } catch (error) {
      // Whom the host does not let in, or not see its sessions, cannot end them either.
      const isFinal = isErrorWithCode(error, 'LoginRefused') || isFault(error, 'NoPermission');
      if (!isFinal) throw translate(`end what logins to "${this.at.address}" came to`, error);
    }
    for (const mark of marks) await this.#store.settle(mark);
  }

  /** Ends the session of a cookie; where the host does not know it any more, that is what was wanted. */
  async #end(cookie: string | undefined): Promise<void> {
    if (cookie === undefined) return;
    this.#client.useCookie(cookie);
    try {
      const content = await this.#retrieveContent();
      await this.#client.call(content.sessionManager, 'Logout');
    } catch (error) {
      if (!isFault(error, 'NotAuthenticated')) throw translate(`log out from "${this.at.address}"`, error);
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
    this.#content = undefined;
    if (content !== undefined) {
      await this.#client.call(content.sessionManager, 'Logout').catch((error: unknown) => {
        if (!(error instanceof VimFault)) throw error;
      });
    }
    this.#client.useCookie(undefined);
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #open(): Promise<ServiceContent> {
    const what = `log in to "${this.at.address}" as "${this.at.username}"`;
    try {
      const content = await this.#retrieveContent();
      if (!(await this.#goOn(content))) await this.#logIn(content);
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

  /** Goes on in a session that is noted and that the host knows; any other is noted no more. */
  async #goOn(content: ServiceContent): Promise<boolean> {
    for (const session of await this.#store.load()) {
      this.#client.useCookie(session.cookie);
      if (await this.#isLoggedIn(content)) return true;
      // It may have failed to say so for another reason.
      await this.#end(session.cookie);
      await this.#store.forget(session);
    }
    this.#client.useCookie(undefined);
    return false;
  }

  /** It is noted before and after, so that {@link logout} finds a session whose cookie nobody came to note. */
  async #logIn(content: ServiceContent): Promise<void> {
    const mark = this.#store.begin();
    try {
      await this.#client.call(
        content.sessionManager,
        'Login',
        { userName: this.at.username, password: this.at.password.reveal() },
        { userAgent: agentOf(mark) },
      );
    } catch (error) {
      // The host said no; of any other failure it is not known what came before it.
      if (error instanceof VimFault) await this.#store.settle(mark);
      throw error;
    }
    const cookie = this.#client.cookie();
    if (cookie === undefined) throw new Error('logged in without a cookie');
    this.#store.keep(cookie, mark);
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

function isFault(error: unknown, type: string): boolean {
  return error instanceof VimFault && error.type === type;
}

function ignoring(type: string): (error: unknown) => void {
  return (error) => {
    if (!isFault(error, type)) throw error;
  };
}

function agentOf(mark: string): string {
  return `${USER_AGENT} login ${mark}`;
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

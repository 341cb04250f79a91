import { Agent, request } from 'undici';
import { certificateRefused, trustingConnector, type Trust } from './trust.js';
import { codeOf, faultOfBody } from './faults.js';
import {
  buildEnvelope,
  child,
  parseXml,
  refXml,
  text,
  type Ref,
  type XmlElement,
  type XmlInput,
} from './xml.js';

const API_VERSION = 'urn:vim25/6.7';
const COOKIE = 'vmware_soap_session';

/** How the host's list of sessions calls ours; a login adds a mark of its own. */
export const USER_AGENT = 'everthaw';

interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly userAgent?: string;
}

/**
 * One connection to a vim25 server: builds calls, keeps the session's cookie, turns a fault into a VimFault. It knows no
 * method but what it is told, and does not log in.
 */
export class SoapClient {
  readonly url: URL;
  readonly #agent: Agent;
  #cookie: string | undefined;

  constructor(url: URL, trust: Trust) {
    this.url = url;
    this.#agent = new Agent({ connect: trustingConnector(trust), keepAliveTimeout: 30_000 });
  }

  /** The session cookie's value: a secret. */
  cookie(): string | undefined {
    return this.#cookie;
  }

  /** Goes on in another session, or in none. */
  useCookie(value: string | undefined): void {
    this.#cookie = value;
  }

  /** Calls a method; the answer is the `<Method>Response` element. */
  async call(
    self: Ref,
    method: string,
    parameters: Record<string, XmlInput> = {},
    options: CallOptions = {},
  ): Promise<XmlElement> {
    const answer = await this.#post(buildEnvelope(method, { _this: refXml(self), ...parameters }), options);
    const body = childBySuffix(childBySuffix(parseXml(answer), 'Envelope'), 'Body');
    const fault = childBySuffix(body, 'Fault');
    if (fault !== undefined) throw faultOfBody(fault);
    const response = child(body, `${method}Response`);
    return typeof response === 'object' ? (response as XmlElement) : {};
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #post(
    envelope: string,
    { timeoutMs = 120_000, signal, userAgent = USER_AGENT }: CallOptions,
  ): Promise<string> {
    try {
      const response = await request(this.url, {
        method: 'POST',
        dispatcher: this.#agent,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
        ...(signal === undefined ? {} : { signal }),
        headers: {
          'content-type': 'text/xml; charset=utf-8',
          soapaction: API_VERSION,
          'user-agent': userAgent,
          ...(this.#cookie === undefined ? {} : { cookie: `${COOKIE}=${this.#cookie}` }),
        },
        body: envelope,
      });
      this.#keepCookie(response.headers['set-cookie']);
      return await response.body.text();
    } catch (error) {
      const code = codeOf(error);
      if (code !== undefined && /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS/.test(code)) {
        throw certificateRefused(this.url.hostname, error instanceof Error ? error.message : code, error);
      }
      throw error;
    }
  }

  #keepCookie(header: string | string[] | undefined): void {
    for (const line of [header ?? []].flat()) {
      const value = new RegExp(`^${COOKIE}=([^;]*)`).exec(line)?.[1];
      if (value !== undefined) this.#cookie = value;
    }
  }
}

/** SOAP's own elements come with whatever prefix the server likes. */
function childBySuffix(node: XmlInput | undefined, name: string): XmlInput | undefined {
  if (typeof node !== 'object') return undefined;
  const key = Object.keys(node).find((candidate) => candidate === name || candidate.endsWith(`:${name}`));
  return key === undefined ? undefined : child(node, key);
}

export function returnValue(response: XmlElement): XmlInput | undefined {
  return child(response, 'returnval');
}

export function returnText(response: XmlElement): string {
  return text(response, 'returnval');
}

import { EverthawError } from './errors.js';

/** A directory on another machine, which OpenSSH leads to. */
export interface ScpPlace {
  /** As ssh takes it: `user@host`. */
  readonly destination: string;
  readonly port?: number;
  /** Absolute, taken as it is written: no character of it means anything. */
  readonly path: string;
}

const SHAPE = /^scp:\/\/(?:([^@/]*)@)?(\[[^\]/]*\]|[^:/[\]]*)(?::(\d*))?(\/.*)$/s;
/** ssh puts names into commands of its user's configuration: nothing is let through that a shell may read. */
const USER = /^[\w.+][\w.+-]*\$?$/;
const HOST = /^(?:[\w.][\w.-]*|\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\])$/;
const LARGEST_PORT = 65_535;

/** Whether a destination is meant to be on another machine. */
export function isScpUrl(text: string): boolean {
  return text.startsWith('scp://');
}

/**
 * `scp://user@host:/path`, as VCB wrote it, or `scp://user@host:port/path`; without a user it is who ssh's configuration says.
 *
 * @throws EverthawError WrongUsage
 */
export function parseScpUrl(text: string): ScpPlace {
  const [, user, host = '', portText = '', written = ''] = SHAPE.exec(text) ?? [];
  if (written === '') throw refused(text, 'it names no host and absolute path');
  if (user?.includes(':') === true) throw refused(text, 'a password is taken from nowhere: ssh uses keys');
  if (user !== undefined && !USER.test(user)) throw refused(text, 'no user has such a name');
  if (!HOST.test(host)) throw refused(text, 'no host has such a name');
  const port = portText === '' ? undefined : Number(portText);
  if (port !== undefined && (port < 1 || port > LARGEST_PORT))
    throw refused(text, `${portText} is no number of a port`);
  if (written.includes('\0')) throw refused(text, 'no path has a NUL');
  if (/\/\.{1,2}(?:\/|$)/.test(written)) throw refused(text, 'its path has parts "." or ".."');
  const path = written.replace(/\/{2,}/g, '/').replace(/(.)\/$/s, '$1');
  const name = host.replace(/^\[(.*)\]$/, '$1');
  const destination = user === undefined ? name : `${user}@${name}`;
  return { destination, path, ...(port === undefined ? {} : { port }) };
}

/** The place of a name below it, as {@link parseScpUrl} reads it. */
export function scpUrlBelow(url: string, name: string): string {
  const place = parseScpUrl(url);
  return formatScpUrl({ ...place, path: `${place.path === '/' ? '' : place.path}/${name}` });
}

/** The place of a name that lies in the same directory. */
export function scpUrlBeside(url: string, name: string): string {
  const place = parseScpUrl(url);
  return formatScpUrl({ ...place, path: `${place.path.replace(/\/[^/]*$/, '')}/${name}` });
}

/** What {@link parseScpUrl} reads. */
export function formatScpUrl({ destination, port, path }: ScpPlace): string {
  const [, user = '', name = ''] = /^(.*@)?(.*)$/s.exec(destination) ?? [];
  return `scp://${user}${name.includes(':') ? `[${name}]` : name}:${port ?? ''}${path}`;
}

function refused(text: string, why: string): EverthawError {
  return new EverthawError({
    code: 'WrongUsage',
    what: `use ${JSON.stringify(text.replace(/^(scp:\/\/[^@/:]*:)[^@/]*@/, '$1***@'))} as a destination`,
    why,
    hint: 'write scp://user@host:/path or scp://user@host:port/path',
  });
}

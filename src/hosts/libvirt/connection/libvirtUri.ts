import { EverthawError } from '../../../domain/errors.js';
import { localShell, type HostShell } from '../../../system/hostShell.js';
import { sshShell } from '../../../system/sshShell.js';
import type { ProxySockets } from '../../../system/proxySockets.js';

export function isLibvirtUri(address: string): boolean {
  return /^qemu(\+[a-z0-9]+)?:\/\//.test(address);
}

/** What a libvirt URI names: libvirt's URI on the machine that it is on, and how ssh gets there; here if that is not said. */
export interface LibvirtAddress {
  readonly uri: string;
  /** The machine's name or address. */
  readonly host: string;
  readonly ssh?: { readonly destination: string; readonly port: number | undefined };
}

/**
 * `qemu:///system`, `qemu:///session` (with libvirt's own parameters) or `qemu+ssh://user@host:port/system`. Over ssh everything
 * runs on the other machine, and libvirt is local to it.
 *
 * @throws EverthawError WrongUsage
 */
export function parseAddress(address: string): LibvirtAddress {
  let url: URL;
  let named: string;
  try {
    url = new URL(address);
    named = decodeURIComponent(url.username);
  } catch {
    throw refused(withoutPassword(address), 'it is no URI');
  }
  if (url.password !== '') throw refused(withoutPassword(address), 'ssh takes no password from it');
  if (!['/system', '/session'].includes(url.pathname)) {
    throw refused(address, `it names ${url.pathname === '' ? 'no connection' : url.pathname}`);
  }
  // The socket is the one parameter that means the same on the other machine; how to get there is ssh's own to know.
  const unknown = [...url.searchParams.keys()].find((name) => name !== 'socket');
  if (unknown !== undefined && url.protocol !== 'qemu:')
    throw refused(address, `its parameter "${unknown}" is none that is passed on: put it into ~/.ssh/config`);
  const local = `qemu://${url.pathname}${url.search}`;
  if (url.protocol === 'qemu:' && url.hostname === '') return { uri: local, host: 'localhost' };
  if (url.protocol === 'qemu+ssh:' && url.hostname !== '') {
    const user = named === '' ? '' : `${named}@`;
    const port = url.port === '' ? undefined : Number(url.port);
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    const destination = `${user}${host}`;
    if (!isName(host) || (named !== '' && !isName(named)))
      throw refused(address, 'no user or host has such a name');
    return { uri: local, host, ssh: { destination, port } };
  }
  throw refused(address, `the transport ${url.protocol.replace(/:$/, '')} is not built`);
}

/**
 * Whether ssh may be told a name, as OpenSSH itself looks at it since 9.6: what begins with a dash would be an option, and what means
 * something to a shell would be its word in a ProxyCommand of the user's.
 */
function isName(name: string): boolean {
  return /^(?!-)[^\s\p{Cc}'"`;&<>|(){}$!*?#]+(?<!\\)$/u.test(name);
}

function withoutPassword(address: string): string {
  return address.replace(/:[^:@/]*@/, ':***@');
}

/** Where the commands of an address run. */
export function shellOf({ ssh }: LibvirtAddress, sockets: ProxySockets): HostShell {
  return ssh === undefined ? localShell : sshShell(ssh.destination, ssh.port, sockets);
}

function refused(address: string, why: string): EverthawError {
  return new EverthawError({
    code: 'WrongUsage',
    what: `reach libvirt at "${address}"`,
    why,
    hint: 'use qemu:///system, qemu:///session or qemu+ssh://user@host/system',
  });
}

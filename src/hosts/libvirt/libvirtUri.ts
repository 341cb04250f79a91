import { EverthawError } from '../../domain/errors.js';
import { localShell, sshShell, type HostShell } from './hostShell.js';

export function isLibvirtUri(address: string): boolean {
  return /^qemu(\+[a-z0-9]+)?:\/\//.test(address);
}

/** How to reach what a libvirt URI names: where its commands run, and the URI as it is there. */
export interface LibvirtAccess {
  readonly shell: HostShell;
  readonly uri: string;
}

/**
 * `qemu:///system`, `qemu:///session` (with libvirt's own parameters) or `qemu+ssh://user@host:port/system`. Over ssh everything
 * runs on the other machine, and libvirt is local to it.
 *
 * @throws EverthawError WrongUsage
 */
export function accessOf(address: string): LibvirtAccess {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    throw refused(address, 'it is no URI');
  }
  if (!['/system', '/session'].includes(url.pathname)) {
    throw refused(address, `it names ${url.pathname === '' ? 'no connection' : url.pathname}`);
  }
  // The socket is the one parameter that means the same on the other machine; how to get there is ssh's own to know.
  const unknown = [...url.searchParams.keys()].find((name) => name !== 'socket');
  if (unknown !== undefined && url.protocol !== 'qemu:')
    throw refused(address, `its parameter "${unknown}" is none that is passed on: put it into ~/.ssh/config`);
  const local = `qemu://${url.pathname}${url.search}`;
  if (url.protocol === 'qemu:' && url.hostname === '') return { shell: localShell, uri: local };
  if (url.protocol === 'qemu+ssh:' && url.hostname !== '') {
    const user = url.username === '' ? '' : `${decodeURIComponent(url.username)}@`;
    const port = url.port === '' ? undefined : Number(url.port);
    const destination = `${user}${url.hostname.replace(/^\[(.*)\]$/, '$1')}`;
    // What begins with a dash would be an option to ssh.
    if (destination.startsWith('-')) throw refused(address, 'no host has such a name');
    return { shell: sshShell(destination, port), uri: local };
  }
  throw refused(address, `the transport ${url.protocol.replace(/:$/, '')} is not built`);
}

function refused(address: string, why: string): EverthawError {
  return new EverthawError({
    code: 'WrongUsage',
    what: `reach libvirt at "${address}"`,
    why,
    hint: 'use qemu:///system, qemu:///session or qemu+ssh://user@host/system',
  });
}

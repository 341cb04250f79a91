import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';

/** What `ipaddr:` looks for: any of these addresses, or this host name in the guest. */
export interface WantedAddress {
  /** In the form of {@link canonicalAddress}; of a DNS name all that this proxy's resolver knows. */
  readonly addresses: readonly string[];
  /** In lower case, without a closing dot; undefined where an address was given. */
  readonly hostName: string | undefined;
}

/** How a guest says it can be reached. */
export interface GuestNames {
  readonly ipAddress?: string;
  readonly ipAddresses?: readonly string[];
  readonly hostName?: string;
}

/** A name that cannot be resolved is no error: a guest may still say that it has it. */
export async function wantedAddress(text: string): Promise<WantedAddress> {
  const address = canonicalAddress(text);
  if (address !== undefined) return { addresses: [address], hostName: undefined };
  const resolved = await lookup(text, { all: true }).catch(() => []);
  return {
    addresses: resolved.flatMap((each) => canonicalAddress(each.address) ?? []).filter(isTelling),
    hostName: canonicalHostName(text),
  };
}

/** Whether the guest is the one that is looked for, by any of its addresses or by its host name. */
export function isMeant({ addresses, hostName }: WantedAddress, guest: GuestNames): boolean {
  const told = [guest.ipAddress ?? [], guest.ipAddresses ?? []].flat();
  return (
    told.some((address) => addresses.includes(canonicalAddress(address) ?? '')) ||
    (hostName !== undefined && canonicalHostName(guest.hostName ?? '') === hostName)
  );
}

/** One form of each address: IPv6 short and in lower case, without its zone, an IPv4 within it as itself; undefined where it is none. */
export function canonicalAddress(text: string): string | undefined {
  const [address = ''] = text.trim().split('%');
  if (isIP(address) === 4) return address;
  if (isIP(address) !== 6) return undefined;
  const short = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(short) ?? [];
  if (high === undefined || low === undefined) return short;
  return [parseInt(high, 16), parseInt(low, 16)].flatMap((pair) => [pair >> 8, pair & 255]).join('.');
}

/** Whether an address tells guests apart: every one has a loopback. */
export function isTelling(address: string): boolean {
  return !address.startsWith('127.') && address !== '::1';
}

function canonicalHostName(text: string): string {
  return text.trim().toLowerCase().replace(/\.$/, '');
}

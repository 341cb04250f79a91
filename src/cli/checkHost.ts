import type { Settings } from '../config/settings.js';
import { failure, finding, findings, type Finding } from '../domain/finding.js';
import { formatDuration } from '../domain/format.js';
import type { Host } from '../hosts/host.js';
import { isLibvirtUri } from '../hosts/libvirt/connection/libvirtUri.js';
import { accessHost } from './accessHost.js';

/** Beyond this ages of snapshots and times in logs mislead people. */
const CLOCKS_APART_MS = 60_000;

/** The way to the host, the login, its clock; and the host, where it let us in: who asks logs out. */
export async function checkHost(
  settings: Settings,
): Promise<{ readonly host?: Host; readonly found: readonly Finding[] }> {
  const { address } = settings.host;
  const way = address === undefined || isLibvirtUri(address) ? [] : await wayTo(settings, address);
  if (way.some(({ state }) => state !== 'ok' && state !== 'warning')) return { found: way };
  const on = address ?? '-';
  try {
    const { host } = await accessHost(settings);
    const { product, uuid } = host.identity;
    const login: Finding = { check: 'login', on, state: 'ok', found: `${product}, uuid ${uuid}` };
    return { host, found: [...way, login, await clock(host, on)] };
  } catch (error) {
    return { found: [...way, failure('login', on, error)] };
  }
}

function wayTo({ host }: Settings, address: string): Promise<readonly Finding[]> {
  const { port, caFile, thumbprint, verifyCertificate } = host;
  return findings('connection', address, async () => {
    const { examineAddress } = await import('../hosts/vsphere/examineAddress.js');
    const trust = {
      ...(caFile === undefined ? {} : { caFile }),
      ...(thumbprint === undefined ? {} : { thumbprint }),
    };
    const found = await examineAddress(address, port, trust);
    if (verifyCertificate || thumbprint !== undefined || caFile !== undefined) return found;
    // It is believed as it is: the login says so.
    return found.map((each) =>
      each.check === 'certificate' ? { ...each, state: 'warning' as const } : each,
    );
  });
}

async function clock(host: Host, on: string): Promise<Finding> {
  const check = 'clock';
  const before = Date.now();
  let apart = 0;
  const looked = await finding(check, on, async () => {
    const now = (await host.now()).getTime();
    // The host read it somewhere between question and answer.
    apart = now < before ? before - now : Math.max(0, now - Date.now());
    return `within ${formatDuration(apart)} of this proxy's`;
  });
  if (looked.state !== 'ok' || apart <= CLOCKS_APART_MS) return looked;
  const found = `${formatDuration(apart)} away from this proxy's`;
  return { check, on, state: 'warning', found, todo: 'set both by NTP: ages of snapshots go by the host’s' };
}

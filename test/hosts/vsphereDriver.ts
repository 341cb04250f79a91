import { openHost } from '../../src/hosts/hostPool.js';
import type { Host } from '../../src/hosts/host.js';
import { Secret } from '../../src/hosts/secret.js';
import type { SessionStore } from '../../src/hosts/vsphere/session.js';
import { LAB_PASSWORD, type LabVcenter } from '../lab/vcenter.js';

/** The driver on a lab's vCenter or ESX, in a session of its own, or in one that a store keeps. */
export function openVsphere(vcenter: LabVcenter, store?: SessionStore): Promise<Host> {
  return openHost(addressOf(vcenter), new Secret(LAB_PASSWORD), store, vcenter.directory);
}

/** How a lab's vCenter or ESX is reached. */
export function addressOf(vcenter: LabVcenter) {
  const { EVERTHAW_HOST, EVERTHAW_USERNAME } = vcenter.everthawEnvironment();
  return {
    kind: 'vsphere' as const,
    address: EVERTHAW_HOST ?? '',
    port: Number(vcenter.port),
    username: EVERTHAW_USERNAME ?? '',
    caFile: vcenter.ready.caFile,
  };
}

/** Sessions of ours that the host has open. */
export async function sessionsOn(vcenter: LabVcenter): Promise<number> {
  const all = await vcenter.get<{ userAgent: string }[]>('/sessions');
  return all.filter(({ userAgent }) => userAgent.startsWith('everthaw')).length;
}

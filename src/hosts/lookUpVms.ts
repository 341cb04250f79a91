import type { VmSummary } from '../domain/vm.js';
import type { VmSpec } from '../domain/vmSpec.js';
import { wantedAddress } from './guestAddress.js';
import type { Host, VmDetail } from './host.js';
import type { VmNameCache } from './vmNameCache.js';

/**
 * The VMs that a spec names. By address or DNS name a VM is found that is powered off, too, if it was seen with that address before;
 * one that answers to it now goes before.
 */
export async function lookUpVms(
  host: Host,
  spec: VmSpec,
  cache: VmNameCache,
  detail: VmDetail = {},
): Promise<readonly VmSummary[]> {
  const { uuid } = host.identity;
  if (spec.kind !== 'ipaddr') {
    const found = await host.findVms(spec, detail);
    await cache.remember(uuid, found.filter(isRunning));
    return found;
  }
  const asked = { ...detail, addresses: true };
  const found = await host.findVms(spec, asked);
  await cache.remember(uuid, found.filter(isRunning));
  if (found.length > 0) return found;
  const recalled: VmSummary[] = [];
  for (const seen of await cache.recall(uuid, await wantedAddress(spec.value))) {
    const known = await host.findVms({ kind: 'uuid', value: seen.uuid }, asked);
    // One that runs and tells another address has lost this one.
    recalled.push(
      ...known.filter((vm) => vm.instanceUuid === seen.instanceUuid && !(isRunning(vm) && tells(vm))),
    );
  }
  return recalled;
}

function isRunning({ powerState }: VmSummary): boolean {
  return powerState === 'on';
}

function tells({ ipAddress }: VmSummary): boolean {
  return ipAddress !== undefined;
}

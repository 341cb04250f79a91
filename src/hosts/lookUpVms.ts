import type { VmSummary } from '../domain/vm.js';
import type { VmSpec } from '../domain/vmSpec.js';
import { wantedAddress, type WantedAddress } from './guestAddress.js';
import type { Host, VmDetail } from './host.js';
import type { SeenVm, VmNameCache } from './vmNameCache.js';

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
  return recallVms(host, asked, cache, await wantedAddress(spec.value));
}

/** VMs that had an address when they were last seen running. What the cache has wrong is put right: by it nobody is found again. */
async function recallVms(
  host: Host,
  asked: VmDetail,
  cache: VmNameCache,
  wanted: WantedAddress,
): Promise<readonly VmSummary[]> {
  const { uuid } = host.identity;
  const recalled: VmSummary[] = [];
  const gone: SeenVm[] = [];
  for (const seen of await cache.recall(uuid, wanted)) {
    const known = await host.findVms({ kind: 'uuid', value: seen.uuid }, asked);
    const vm = known.find(({ instanceUuid }) => instanceUuid === seen.instanceUuid);
    if (vm === undefined) gone.push(seen);
    // One that runs and tells another address has lost this one.
    else if (isRunning(vm) && tells(vm)) await cache.remember(uuid, [vm]);
    else recalled.push(vm);
  }
  await cache.forget(gone);
  return recalled;
}

function isRunning({ powerState }: VmSummary): boolean {
  return powerState === 'on';
}

function tells({ ipAddress }: VmSummary): boolean {
  return ipAddress !== undefined;
}

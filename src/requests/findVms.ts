import { resolve } from 'node:path';
import { stateDirectories } from '../config/directories.js';
import type { Settings } from '../config/settings.js';
import { EverthawError } from '../domain/errors.js';
import type { VmSummary } from '../domain/vm.js';
import { formatVmSpec, namesMany, parseVmSpec, type VmSpec } from '../domain/vmSpec.js';
import type { Host, VmDetail } from '../hosts/host.js';
import { lookUpVms } from '../hosts/lookUpVms.js';
import { VmNameCache } from '../hosts/vmNameCache.js';

/** All VMs that a spec names. @throws EverthawError VmNotFound where one is named that is not there */
export async function findVms(
  settings: Settings,
  host: Host,
  spec: VmSpec,
  detail: VmDetail = {},
): Promise<readonly VmSummary[]> {
  const found = await lookUpVms(host, spec, cacheOf(settings), detail);
  if (found.length === 0 && !namesMany(spec)) throw notFound(host, spec);
  return found;
}

/** The one VM that a spec names. @throws EverthawError VmNotFound, VmAmbiguous with the candidates */
export async function findOneVm(settings: Settings, host: Host, spec: VmSpec): Promise<VmSummary> {
  if (namesMany(spec)) {
    throw new EverthawError({
      code: 'WrongUsage',
      what: `look up VM ${formatVmSpec(spec)}`,
      why: 'it may name many VMs, and one is needed',
      hint: 'name it as name:<name>, ipaddr:<address>, uuid:<uuid> or moref:<id>',
    });
  }
  const found = await findVms(settings, host, spec);
  const [vm] = found;
  if (vm !== undefined && found.length === 1) return vm;
  const candidates = await host.findVms(spec, { folders: true });
  throw new EverthawError({
    code: 'VmAmbiguous',
    what: whatOf(host, spec),
    why: `${found.length} VMs match: ${(candidates.length > 0 ? candidates : found).map(describe).join('; ')}`,
    hint: 'name one of them as moref:<id> or uuid:<uuid>',
  });
}

/** All VMs that a spec names, or the one that it must name. @throws EverthawError VmNotFound, VmAmbiguous */
export async function vmsOf(settings: Settings, host: Host, text: string): Promise<readonly VmSummary[]> {
  const spec = parseVmSpec(text, settings.lookup);
  return namesMany(spec) ? findVms(settings, host, spec) : [await findOneVm(settings, host, spec)];
}

function cacheOf(settings: Settings): VmNameCache {
  const file = resolve(settings.console.vmNameCache ?? stateDirectories(settings).vmNames);
  return new VmNameCache(file, (line) => {
    console.error(line);
  });
}

function describe({ name, folderPath, moref, biosUuid }: VmSummary): string {
  const folder = folderPath === undefined ? '' : ` in ${folderPath}`;
  return `${JSON.stringify(name)}${folder} (moref:${moref} uuid:${biosUuid})`;
}

function notFound(host: Host, spec: VmSpec): EverthawError {
  const byAddress = spec.kind === 'ipaddr';
  return new EverthawError({
    code: 'VmNotFound',
    what: whatOf(host, spec),
    why: byAddress
      ? 'no running VM tells this address or host name, and none was seen with it before it was powered off'
      : 'no VM matches',
    hint: byAddress
      ? 'power the VM on and look it up once, or name it as name:<name>; everthaw vms any: shows what there is'
      : 'see what there is with everthaw vms any:; names are case-sensitive',
  });
}

function whatOf(host: Host, spec: VmSpec): string {
  return `look up VM ${formatVmSpec(spec)} on "${host.identity.address}"`;
}

import type { VmSummary } from '../../../domain/vm.js';
import type { VmSpec } from '../../../domain/vmSpec.js';
import { canonicalAddress, isMeant, isTelling, wantedAddress } from '../../guestAddress.js';
import type { VmDetail } from '../../host.js';
import { morefOf } from '../xml/domain.js';
import { listDomains, readAllDomains, readDomains, type ListedDomain, type ReadDomain } from './domains.js';
import { mapAtMost } from '../../../system/mapAtMost.js';
import type { Virsh } from '../connection/virsh.js';
import { virshBatch } from '../connection/virshBatch.js';

/** Each asks a guest, which may take its time. */
const ASKED_AT_ONCE = 4;

/** libvirt keeps VMs in no folders. */
export const ONE_FOLDER = '/';

/** The VMs that are meant; none is no error. */
export async function findVms(
  virsh: Virsh,
  spec: VmSpec,
  { addresses, folders }: VmDetail = {},
): Promise<readonly VmSummary[]> {
  const found = await findSummaries(virsh, spec, addresses === true);
  return folders === true ? found.map((vm) => ({ ...vm, folderPath: ONE_FOLDER })) : found;
}

async function findSummaries(virsh: Virsh, spec: VmSpec, ask: boolean): Promise<readonly VmSummary[]> {
  if (spec.kind === 'ipaddr') return findByAddress(virsh, spec.value);
  const found = await findDomains(virsh, spec);
  return ask ? askEach(virsh, found) : found.map(summarise);
}

async function findDomains(
  virsh: Virsh,
  { kind, value }: Exclude<VmSpec, { readonly kind: 'ipaddr' }>,
): Promise<readonly ReadDomain[]> {
  switch (kind) {
    case 'name':
      return readWhere(virsh, ({ name }) => name === value);
    case 'uuid': {
      const found = await readWhere(virsh, ({ uuid }) => uuid === value.toLowerCase());
      // One that is just taking that uuid has not got it before it has its name too: its identity is to be set again.
      return found.filter(({ domain }) => [undefined, domain.name].includes(domain.restored?.becomes?.name));
    }
    case 'moref':
      return findByMoref(await readAllDomains(virsh), value);
    case 'powerstate':
      return withoutStandIns(await readAllDomains(virsh)).filter(({ state }) => state === value);
    case 'any':
      return withoutStandIns(await readAllDomains(virsh));
    case 'none':
      return [];
  }
}

async function readWhere(
  virsh: Virsh,
  isMeant: (domain: ListedDomain) => boolean,
): Promise<readonly ReadDomain[]> {
  const listed = await listDomains(virsh);
  return readDomains(
    virsh,
    listed.filter(isMeant).map(({ uuid }) => uuid),
  );
}

export function summarise({ domain, state }: ReadDomain): VmSummary {
  return {
    // libvirt has one uuid, which the guest's firmware is told too.
    instanceUuid: domain.uuid,
    biosUuid: domain.uuid,
    moref: morefOf(domain),
    name: domain.name,
    powerState: state,
  };
}

/** By our own id; by a restored VM's uuid too where nothing has that id. */
function findByMoref(all: readonly ReadDomain[], moref: string): readonly ReadDomain[] {
  const id = moref.toLowerCase();
  const settled = withoutStandIns(all);
  const exact = settled.filter(({ domain }) => morefOf(domain) === id);
  return exact.length > 0 ? exact : settled.filter(({ domain }) => domain.uuid === id);
}

/** Without those that stand in for a domain that is still there (identity.ts): they are one VM. */
export function withoutStandIns(all: readonly ReadDomain[]): readonly ReadDomain[] {
  const uuids = new Set(all.map(({ domain }) => domain.uuid));
  return all.filter(({ domain }) => {
    const instead = domain.restored?.becomes?.instead;
    return instead === undefined || !uuids.has(instead);
  });
}

/** With what their guests tell of themselves. */
async function askEach(virsh: Virsh, all: readonly ReadDomain[]): Promise<readonly VmSummary[]> {
  return mapAtMost(ASKED_AT_ONCE, all, async (read) => ({
    ...summarise(read),
    ...(read.isRunning ? await askGuest(virsh, read) : {}),
  }));
}

/** By an address or by the name that the guest says it has. */
async function findByAddress(virsh: Virsh, value: string): Promise<readonly VmSummary[]> {
  const wanted = await wantedAddress(value);
  const running = withoutStandIns(await readAllDomains(virsh)).filter(({ isRunning }) => isRunning);
  const asked = await askEach(virsh, running);
  return asked
    .filter((vm) => isMeant(wanted, vm))
    .map((vm) => {
      const ipAddress = vm.ipAddresses?.find((address) => wanted.addresses.includes(address));
      return ipAddress === undefined ? vm : { ...vm, ipAddress };
    });
}

async function askGuest(
  virsh: Virsh,
  { domain }: ReadDomain,
): Promise<Pick<VmSummary, 'ipAddress' | 'ipAddresses' | 'hostName'>> {
  const { uuid, name } = domain;
  const [fromLease, fromNeighbours, fromGuest, hostName] = await virshBatch(
    virsh,
    `ask for the addresses of "${name}"`,
    [
      ['domifaddr', uuid, '--source', 'lease'],
      ['domifaddr', uuid, '--source', 'arp'],
      ...(domain.hasAgentChannel
        ? [
            ['domifaddr', uuid, '--source', 'agent'],
            ['domhostname', uuid, '--source', 'agent'],
          ]
        : []),
    ],
  );
  const told = [fromGuest, fromLease, fromNeighbours].join('\n').toLowerCase();
  const addresses = [...told.matchAll(/\sipv[46]\s+([0-9a-f.:]+)\/\d+/g)].flatMap(
    ([, address = '']) => canonicalAddress(address) ?? [],
  );
  const ipAddresses = [...new Set(addresses)].filter(isTelling);
  const [ipAddress] = ipAddresses;
  return {
    ipAddresses,
    ...(ipAddress === undefined ? {} : { ipAddress }),
    ...(hostName === undefined ? {} : { hostName: hostName.trim() }),
  };
}

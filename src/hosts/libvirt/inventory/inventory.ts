import type { VmSummary } from '../../../domain/vm.js';
import type { VmSpec } from '../../../domain/vmSpec.js';
import { morefOf } from '../xml/domain.js';
import { listDomains, readAllDomains, readDomains, type ListedDomain, type ReadDomain } from './domains.js';
import { mapAtMost } from '../../../system/mapAtMost.js';
import type { Virsh } from '../connection/virsh.js';
import { virshBatch } from '../connection/virshBatch.js';

/** Each asks a guest, which may take its time. */
const ASKED_AT_ONCE = 4;

/** The VMs that are meant; none is no error. */
export async function findVms(virsh: Virsh, { kind, value }: VmSpec): Promise<readonly VmSummary[]> {
  switch (kind) {
    case 'name':
      return (await readWhere(virsh, ({ name }) => name === value)).map(summarise);
    case 'uuid': {
      const found = await readWhere(virsh, ({ uuid }) => uuid === value.toLowerCase());
      // One that is just taking that uuid has not got it before it has its name too: its identity is to be set again.
      return found
        .filter(({ domain }) => [undefined, domain.name].includes(domain.restored?.becomes?.name))
        .map(summarise);
    }
    case 'moref':
      return findByMoref(await readAllDomains(virsh), value).map(summarise);
    case 'ipaddr':
      return findByAddress(virsh, await readAllDomains(virsh), value);
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

/** By an address or by the name that the guest says it has. */
async function findByAddress(
  virsh: Virsh,
  all: readonly ReadDomain[],
  value: string,
): Promise<readonly VmSummary[]> {
  const wanted = value.toLowerCase();
  const running = all.filter(({ isRunning }) => isRunning);
  const found = await mapAtMost(ASKED_AT_ONCE, running, async (read): Promise<VmSummary | undefined> => {
    const { addresses, hostName } = await askAddresses(virsh, read);
    const ipAddress = addresses.find((address) => address === wanted) ?? addresses[0];
    if (ipAddress !== wanted && hostName !== wanted) return undefined;
    return {
      ...summarise(read),
      ...(ipAddress === undefined ? {} : { ipAddress }),
      ...(hostName === undefined ? {} : { hostName }),
    };
  });
  return found.filter((vm) => vm !== undefined);
}

async function askAddresses(
  virsh: Virsh,
  { domain }: ReadDomain,
): Promise<{ readonly addresses: readonly string[]; readonly hostName: string | undefined }> {
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
  const text = [fromGuest, fromLease, fromNeighbours].join('\n').toLowerCase();
  return {
    addresses: [...text.matchAll(/\sipv[46]\s+([0-9a-f.:]+)\/\d+/g)]
      .map(([, address]) => address ?? '')
      // Every guest has those.
      .filter((address) => !address.startsWith('127.') && address !== '::1'),
    hostName: hostName?.trim().toLowerCase(),
  };
}

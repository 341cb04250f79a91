import { failure, finding, findings, type Finding } from '../domain/finding.js';
import { formatBytes } from '../domain/format.js';
import { SNAPSHOT_NAME } from '../domain/names.js';
import { takesSnapshot, type BackupRequest } from '../domain/runs.js';
import { formatTransport, type Transport } from '../domain/transport.js';
import type { VmDescription } from '../domain/vm.js';
import type { Host } from '../hosts/host.js';
import { refuseDisk, refuseDisks, refuseSnapshots, refuseTransport, refuseUnquiesced } from './refusals.js';

/** How a VM would be backed up. */
export type Wishes = Pick<BackupRequest, 'transport' | 'quiesce' | 'snapshotPolicy'> & {
  /** Whether what a restore needs is asked for too. */
  readonly restoring: boolean;
};

/** All that a run would refuse of a VM, and what else its host can say of it. */
export async function checkVm(host: Host, vm: VmDescription, wishes: Wishes): Promise<readonly Finding[]> {
  const on = `VM "${vm.name}"`;
  const own = takesSnapshot(wishes);
  return [
    { check: 'VM', on, state: 'ok', found: `moref:${vm.moref}, ${vm.powerState}, on ${vm.host}` },
    await finding('disks', on, () => holdable(vm)),
    ...(own ? [await guestFinding(vm, wishes, on)] : []),
    await finding('snapshots', on, () => {
      refuseSnapshots(vm, wishes.snapshotPolicy);
      return Promise.resolve(otherSnapshots(vm));
    }),
    ...(own ? await roomFindings(host, vm, on) : []),
    await finding('transport', on, () => {
      refuseTransport(host, vm.name, wishes.transport);
      return Promise.resolve(`${formatTransport(wishes.transport)} is meant`);
    }),
    ...(await transportFindings(host, vm, wishes.transport, on)),
    ...(await host.examine(vm, wishes.transport, wishes.restoring)),
  ];
}

function holdable(vm: VmDescription): Promise<string> {
  refuseDisks(vm);
  const bytes = vm.disks.reduce((sum, { capacityBytes }) => sum + capacityBytes, 0);
  const labels = vm.disks.map(({ label }) => label).join(', ');
  return Promise.resolve(
    `a snapshot holds ${labels}: ${formatBytes(bytes)}, ${formatBytes(vm.usedBytes)} used`,
  );
}

async function guestFinding(vm: VmDescription, { quiesce }: Wishes, on: string): Promise<Finding> {
  const check = 'guest';
  const found = await finding(check, on, () => {
    refuseUnquiesced(vm, quiesce);
    return Promise.resolve(guestTold(vm, quiesce));
  });
  const isCrash =
    found.state === 'ok' && quiesce === 'preferred' && vm.powerState === 'on' && !vm.toolsRunning;
  if (!isCrash) return found;
  const todo = 'start the guest tools for a consistent one';
  return { check, on, state: 'warning', found: 'no guest tools run: the backup is crash-consistent', todo };
}

function guestTold({ powerState, toolsRunning }: VmDescription, quiesce: Wishes['quiesce']): string {
  if (powerState !== 'on') return `it is ${powerState}: nothing is to be quiesced`;
  if (quiesce === 'none') return 'it is not to be quiesced: crash-consistent';
  return toolsRunning ? 'its tools run: it can be quiesced' : 'no guest tools run';
}

function otherSnapshots({ snapshots }: VmDescription): string {
  const others = snapshots.filter(({ name }) => name !== SNAPSHOT_NAME).map(({ name }) => `"${name}"`);
  return others.length === 0 ? 'none is in the way' : `others stay as they are: ${others.join(', ')}`;
}

function roomFindings(host: Host, vm: VmDescription, on: string): Promise<readonly Finding[]> {
  const check = 'host';
  return findings(check, on, async () => {
    const warnings = await host.checkVm(vm);
    if (warnings.length === 0)
      return [{ check, on, state: 'ok', found: 'it has the room that a snapshot needs' }];
    return warnings.map((found) => ({ check, on, state: 'warning', found }));
  });
}

/** Which disks each transport reaches; only the one that is meant can fail. */
async function transportFindings(
  host: Host,
  vm: VmDescription,
  meant: Transport,
  on: string,
): Promise<readonly Finding[]> {
  const all: Finding[] = [];
  for (const transport of host.transports) {
    const name = formatTransport(transport);
    const reached: string[] = [];
    const refused: Finding[] = [];
    for (const disk of vm.disks.filter(({ refusal }) => refusal === undefined)) {
      try {
        await refuseDisk(host, transport, vm, disk);
        reached.push(`${disk.label} (${disk.path})`);
      } catch (error) {
        const told = failure(name, on, error);
        const state = told.state === 'failed' && name !== formatTransport(meant) ? 'warning' : told.state;
        refused.push({ ...told, state, found: `not ${disk.label} (${disk.path}): ${told.found}` });
      }
    }
    if (reached.length > 0)
      all.push({ check: name, on, state: 'ok', found: `reaches ${reached.join(', ')}` });
    all.push(...refused);
  }
  return all;
}

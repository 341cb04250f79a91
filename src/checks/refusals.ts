import { EverthawError } from '../domain/errors.js';
import { SNAPSHOT_NAME } from '../domain/names.js';
import { parseOwner } from '../domain/owner.js';
import { takesSnapshot, type PointInTimeRequest, type SnapshotPolicy } from '../domain/runs.js';
import { formatTransport, type Transport } from '../domain/transport.js';
import type { DiskDescription, SnapshotInfo, VmDescription, VmSummary } from '../domain/vm.js';
import type { Host } from '../hosts/host.js';

/*
 * Why a VM is not backed up (F1, F7): asked by each run before it touches anything, and by `everthaw check` before there is a run.
 */

export const OF_TEMPLATE = {
  why: 'it is a template, and cannot be snapshotted',
  hint: 'clone it and back the clone up, or convert it to a VM',
} as const;

/** @throws EverthawError VmIsTemplate */
export function refuseTemplate({ name, isTemplate }: VmSummary): void {
  if (isTemplate === undefined) return;
  throw new EverthawError({ code: 'VmIsTemplate', what: `back up "${name}"`, ...OF_TEMPLATE });
}

/** @throws EverthawError DiskNotSupported */
export function refuseDisks(vm: VmDescription): void {
  const refused = vm.disks.filter(({ refusal }) => refusal !== undefined);
  if (refused.length > 0) {
    throw new EverthawError({
      code: 'DiskNotSupported',
      what: `back up "${vm.name}"`,
      why: refused.map(({ label, refusal }) => `disk ${label}: ${refusal ?? ''}`).join('; '),
      hint: 'change the disk’s mode, or back this disk up from within the guest (docs/limits.md)',
    });
  }
  if (vm.disks.length === 0) {
    throw new EverthawError({
      code: 'DiskNotSupported',
      what: `back up "${vm.name}"`,
      why: 'it has no disks',
      hint: 'nothing is to be done for it',
    });
  }
}

/** @throws EverthawError TransportRefused where this kind of host does not know it */
export function refuseTransport(host: Host, vmName: string, transport: Transport): void {
  const known = host.transports.map(formatTransport);
  if (known.includes(formatTransport(transport))) return;
  throw new EverthawError({
    code: 'TransportRefused',
    what: `read the disks of "${vmName}" by ${formatTransport(transport)}`,
    why: 'this kind of host does not know that transport',
    hint: `use ${known.join(' or ')}`,
  });
}

/** @throws EverthawError TransportRefused where a disk cannot be read that way */
export async function refuseDisk(
  host: Host,
  transport: Transport,
  vm: VmDescription,
  disk: DiskDescription,
): Promise<void> {
  const refusal = await host.refusalOf(transport, vm, disk);
  if (refusal === undefined) return;
  throw new EverthawError({
    code: 'TransportRefused',
    what: `read disk ${disk.label} of "${vm.name}" by ${formatTransport(transport)}`,
    why: refusal,
    hint: otherTransports(host, transport),
  });
}

function otherTransports(host: Host, refused: Transport): string {
  const others = host.transports.map(formatTransport).filter((name) => name !== formatTransport(refused));
  return others.length === 0 ? 'see docs/limits.md' : `use the transport ${others.join(' or ')}`;
}

/** One that is to be taken must not be there, one that is to be used must (F3). */
export function refuseSnapshots(vm: VmDescription, policy: SnapshotPolicy, runId?: string): void {
  if (policy === 'manual' || policy === 'deleteonly') {
    theSnapshot(vm.name, policy, vm.snapshots);
    return;
  }
  const there = vm.snapshots.find(
    ({ name, description }) =>
      name === SNAPSHOT_NAME && (runId === undefined || parseOwner(description)?.runId !== runId),
  );
  if (there === undefined) return;
  const owner = parseOwner(there.description);
  throw new EverthawError({
    code: 'SnapshotForeign',
    what: `back up "${vm.name}"`,
    why: `it has a snapshot ${SNAPSHOT_NAME} already (${there.id}, of ${there.createdAt}, ${owner === undefined ? 'not made by Everthaw' : `of run ${owner.workflowId}`})`,
    hint: 'let whoever made it end; what a dead run left, everthaw cleanup removes; to remove it whosever it is, say --preexisting-snapshot delete',
  });
}

/** The one snapshot of our name, whoever made it. @throws EverthawError SnapshotMissing where there is none, or several */
export function theSnapshot(
  vmName: string,
  policy: SnapshotPolicy,
  snapshots: readonly SnapshotInfo[],
): SnapshotInfo {
  const named = snapshots.filter(({ name }) => name === SNAPSHOT_NAME);
  const [there] = named;
  if (there !== undefined && named.length === 1) return there;
  throw new EverthawError({
    code: 'SnapshotMissing',
    what: `back up "${vmName}" with snapshot policy ${policy}`,
    why:
      there === undefined
        ? `it has no snapshot ${SNAPSHOT_NAME}, which this policy uses`
        : `it has ${named.length} snapshots ${SNAPSHOT_NAME}: ${named.map(({ id }) => id).join(', ')}`,
    hint:
      there === undefined
        ? 'take one of that name, or use the policy automatic'
        : 'leave one of them: which is meant cannot be told',
  });
}

/**
 * All that can be known of a VM before a point in time is taken of it (F1, F7). Returns warnings.
 *
 * @throws EverthawError
 */
export async function refuseVm(
  host: Host,
  vm: VmDescription,
  request: Pick<PointInTimeRequest, 'snapshotPolicy' | 'quiesce' | 'transport'>,
  runId: string,
): Promise<readonly string[]> {
  refuseTemplate(vm);
  refuseDisks(vm);
  refuseSnapshots(vm, request.snapshotPolicy, runId);
  if (takesSnapshot(request)) refuseUnquiesced(vm, request.quiesce);
  refuseTransport(host, vm.name, request.transport);
  for (const disk of vm.disks) await refuseDisk(host, request.transport, vm, disk);
  return takesSnapshot(request) ? host.checkVm(vm) : [];
}

/** @throws EverthawError QuiesceFailed */
export function refuseUnquiesced(vm: VmDescription, quiesce: PointInTimeRequest['quiesce']): void {
  if (quiesce !== 'required' || vm.powerState !== 'on' || vm.toolsRunning) return;
  throw new EverthawError({
    code: 'QuiesceFailed',
    what: `quiesce "${vm.name}"`,
    why: 'the guest tools do not run in it',
    hint: 'start them, or allow a crash-consistent backup with --quiesce preferred',
  });
}

/** Where a backup goes, as far as its room is concerned. */
export interface RoomAt {
  readonly directory: string;
  freeBytes(): Promise<number>;
}

/**
 * Thin disks and compression make the real need unknown: what is used now must fit, the full capacity should. Returns warnings.
 *
 * @throws EverthawError DestinationFull
 */
export async function checkRoom(vm: VmDescription, destination: RoomAt): Promise<readonly string[]> {
  const free = await destination.freeBytes();
  const capacity = vm.disks.reduce((sum, disk) => sum + disk.capacityBytes, 0);
  if (free >= capacity) return [];
  if (vm.usedBytes > free) {
    throw new EverthawError({
      code: 'DestinationFull',
      what: `back up "${vm.name}" to "${destination.directory}"`,
      why: `the VM takes ${vm.usedBytes} bytes on its datastores, the destination has ${free} bytes left`,
      hint: 'free room there, or name another destination',
    });
  }
  return [
    `the destination has ${free} bytes left, fewer than the disks’ capacity of ${capacity}: it may fill up`,
  ];
}

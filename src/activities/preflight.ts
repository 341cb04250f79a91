import { EverthawError } from '../domain/errors.js';
import { SNAPSHOT_NAME } from '../domain/names.js';
import { parseOwner } from '../domain/owner.js';
import type { BackupRequest, PreflightResult, Step } from '../domain/runs.js';
import { formatTransport, type Transport } from '../domain/transport.js';
import type { VmDescription } from '../domain/vm.js';
import type { Destination } from '../destinations/destination.js';
import { theSnapshot } from './existingSnapshot.js';
import type { Host } from '../hosts/host.js';
import { hostOf, takeLoan, type Dependencies } from './dependencies.js';

export interface PreflightInput extends Step {
  readonly request: BackupRequest;
}

/** What can be known before anything is touched (F1, F7): VM, disks, transport, earlier snapshots, destination, room. */
export function createPreflight(dependencies: Dependencies) {
  return async function preflight(input: PreflightInput): Promise<PreflightResult> {
    const { request, run } = input;
    await takeLoan(dependencies, { ...input, loan: request.loan });
    const host = await hostOf(dependencies, input);
    const vm = await host.describeVm(request.vm.instanceUuid);
    refuseDisks(vm);
    refuseSnapshots(vm, request, run.runId);
    if (takesSnapshot(request)) refuseUnquiesced(vm, request.quiesce);
    refuseTransport(host, request);
    for (const disk of vm.disks) {
      const refusal = await host.refusalOf(request.transport, vm, disk);
      if (refusal !== undefined) {
        throw new EverthawError({
          code: 'TransportRefused',
          what: `read disk ${disk.label} of "${vm.name}" by ${formatTransport(request.transport)}`,
          why: refusal,
          hint: otherTransports(host, request.transport),
        });
      }
    }
    const destination = await dependencies.destinations.at(request.directory);
    const partial = destination.partialOf(run.runId);
    if (!partial.isHere) refuseFormat(request);
    const resumed = (await destination.restorePoint())?.runId === run.runId || (await partial.exists());
    if (!resumed) await destination.check();
    return {
      disks: vm.disks,
      toolsRunning: vm.toolsRunning,
      guestIsOurs: !('scriptsRunBy' in host.guest),
      warnings: [
        ...(takesSnapshot(request) ? await host.checkVm(vm) : []),
        ...(await checkRoom(vm, destination)),
      ],
    };
  };
}

/** To another machine a file goes from front to back. */
function refuseFormat({ vm, diskFormat, directory }: BackupRequest): void {
  if (diskFormat !== 'vmdk') return;
  throw new EverthawError({
    code: 'WrongUsage',
    what: `back up "${vm.name}" to "${directory}" as vmdk`,
    why: 'what converts to vmdk goes back and forth in the file, and a file is sent from front to back',
    hint: 'use --disk-format qcow2 or raw, or back up to a directory of this machine and copy it',
  });
}

/** Whether the run takes a snapshot of its own. */
function takesSnapshot({ snapshotPolicy }: BackupRequest): boolean {
  return snapshotPolicy === 'automatic' || snapshotPolicy === 'createonly';
}

function refuseDisks(vm: VmDescription): void {
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

function otherTransports(host: Host, refused: Transport): string {
  const others = host.transports.map(formatTransport).filter((name) => name !== formatTransport(refused));
  return others.length === 0 ? 'see docs/limits.md' : `use the transport ${others.join(' or ')}`;
}

function refuseTransport(host: Host, { vm, transport }: BackupRequest): void {
  const known = host.transports.map(formatTransport);
  if (known.includes(formatTransport(transport))) return;
  throw new EverthawError({
    code: 'TransportRefused',
    what: `read the disks of "${vm.name}" by ${formatTransport(transport)}`,
    why: 'this kind of host does not know that transport',
    hint: `use ${known.join(' or ')}`,
  });
}

/** One that is to be taken must not be there, one that is to be used must (F3). */
function refuseSnapshots(vm: VmDescription, { snapshotPolicy }: BackupRequest, runId: string): void {
  if (snapshotPolicy === 'manual' || snapshotPolicy === 'deleteonly') {
    theSnapshot(vm.name, snapshotPolicy, vm.snapshots);
    return;
  }
  const there = vm.snapshots.find(
    ({ name, description }) => name === SNAPSHOT_NAME && parseOwner(description)?.runId !== runId,
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

function refuseUnquiesced(vm: VmDescription, quiesce: BackupRequest['quiesce']): void {
  if (quiesce !== 'required' || vm.powerState !== 'on' || vm.toolsRunning) return;
  throw new EverthawError({
    code: 'QuiesceFailed',
    what: `quiesce "${vm.name}"`,
    why: 'the guest tools do not run in it',
    hint: 'start them, or allow a crash-consistent backup with --quiesce preferred',
  });
}

/** Thin disks and compression make the real need unknown: what is used now must fit, the full capacity should. */
async function checkRoom(vm: VmDescription, destination: Destination): Promise<readonly string[]> {
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

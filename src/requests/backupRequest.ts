import { randomUUID } from 'node:crypto';
import type { Settings } from '../config/settings.js';
import type { ImageFormat } from '../domain/diskFiles.js';
import { EverthawError } from '../domain/errors.js';
import type { BackupRequest, MountRequest, PointInTimeRequest } from '../domain/runs.js';
import { formatTransport, parseTransport, type Transport } from '../domain/transport.js';
import type { VmSummary } from '../domain/vm.js';
import type { Host } from '../hosts/host.js';
import type { HostAccess } from './hostAccess.js';

/** What a run is told of its VM alone. */
type OfVm = 'vm' | 'loan';

/** What the settings say of a backup. */
export function backupRequest(
  settings: Settings,
  access: HostAccess,
  vm: VmSummary,
  directory: string,
): BackupRequest {
  return { ...ofVm(access, vm), ...imageTemplate(settings, access.host), directory };
}

/** What they say of volumes that are mounted. */
export function mountRequest(
  settings: Settings,
  access: HostAccess,
  vm: VmSummary,
  directory: string,
): MountRequest {
  return {
    ...volumesRequest(settings, access, vm),
    directory,
    handover: true,
  };
}

/** What they say of a run that mounts volumes, whatever for. */
export function volumesRequest(
  settings: Settings,
  access: HostAccess,
  vm: VmSummary,
): PointInTimeRequest & Pick<MountRequest, 'mostVolumes'> {
  return { ...ofVm(access, vm), ...volumesTemplate(settings, access.host) };
}

/** What is the same for all of a host's VMs whose images are backed up. */
export function imageTemplate(
  settings: Settings,
  host: Host,
): Omit<BackupRequest, OfVm | 'directory' | 'handover'> {
  return {
    ...pointInTimeTemplate(settings),
    transport: transportOf(settings, host),
    ...diskFormatOf(settings, host),
  };
}

/** The same of runs that mount volumes. */
export function volumesTemplate(
  settings: Settings,
  host: Host,
): Omit<PointInTimeRequest, OfVm> & Pick<MountRequest, 'mostVolumes'> {
  return {
    ...pointInTimeTemplate(settings),
    transport: mountTransportOf(settings, host),
    mostVolumes: settings.mostMountedVolumes,
  };
}

function ofVm({ host }: HostAccess, vm: VmSummary): Pick<PointInTimeRequest, OfVm> {
  return {
    vm: { hostUuid: host.identity.uuid, instanceUuid: vm.instanceUuid, name: vm.name },
    loan: randomUUID(),
  };
}

function pointInTimeTemplate(settings: Settings): Omit<PointInTimeRequest, OfVm | 'transport'> {
  return {
    proxy: settings.proxy,
    quiesce: settings.backup.quiesce,
    snapshotPolicy: settings.backup.snapshotPolicy,
    preexistingSnapshot: settings.backup.preexistingSnapshot,
    preexistingMountPoint: settings.backup.preexistingMountPoint,
    maximumSnapshotAgeMs: settings.maximumSnapshotAgeMs,
    limits: settings.snapshotLimits,
    retries: settings.retries,
  };
}

function diskFormatOf(settings: Settings, host: Host): { readonly diskFormat: ImageFormat } | undefined {
  const { diskFormat } = settings.backup;
  if (diskFormat === undefined) return undefined;
  const transport = transportOf(settings, host);
  if (transport.via === 'export') return { diskFormat };
  throw new EverthawError({
    code: 'WrongUsage',
    what: `keep disks as ${diskFormat}`,
    why: `by ${formatTransport(transport)} they are kept as VMDK, the form in which they come`,
    hint: 'leave --disk-format out',
  });
}

/** The transport that is meant, or the host's usual one. */
export function transportOf({ backup: { transport } }: Settings, host: Host): Transport {
  const [usual] = host.transports;
  return transport === undefined && usual !== undefined ? usual : parseTransport(transport ?? '');
}

/** A stream of a whole disk is of no use to who reads here and there: a mode alone means its other way. */
function mountTransportOf({ backup: { transport } }: Settings, host: Host): Transport {
  const usable = host.transports.find(
    ({ mode, via }) => via !== 'lease' && (transport === undefined || transport === mode),
  );
  return usable ?? parseTransport(transport ?? '');
}

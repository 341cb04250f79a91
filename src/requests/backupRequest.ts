import { randomUUID } from 'node:crypto';
import type { Settings } from '../config/settings.js';
import type { ImageFormat } from '../domain/diskFiles.js';
import { EverthawError } from '../domain/errors.js';
import type { BackupRequest, MountRequest, PointInTimeRequest } from '../domain/runs.js';
import { formatTransport, parseTransport, type Transport } from '../domain/transport.js';
import type { VmSummary } from '../domain/vm.js';
import type { Host } from '../hosts/host.js';
import type { HostAccess } from './hostAccess.js';

/** What the settings say of a backup. */
export function backupRequest(
  settings: Settings,
  access: HostAccess,
  vm: VmSummary,
  directory: string,
): BackupRequest {
  return {
    ...pointInTimeRequest(settings, access, vm),
    directory,
    transport: transportOf(settings, access.host),
    ...diskFormatOf(settings, access.host),
  };
}

/** What the settings say of volumes that are mounted. */
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
  return {
    ...pointInTimeRequest(settings, access, vm),
    transport: mountTransportOf(settings, access.host),
    mostVolumes: settings.mostMountedVolumes,
  };
}

function pointInTimeRequest(
  settings: Settings,
  access: HostAccess,
  vm: VmSummary,
): Omit<PointInTimeRequest, 'transport'> {
  return {
    vm: { hostUuid: access.host.identity.uuid, instanceUuid: vm.instanceUuid, name: vm.name },
    proxy: settings.proxy,
    loan: randomUUID(),
    quiesce: settings.backup.quiesce,
    snapshotPolicy: settings.backup.snapshotPolicy,
    preexistingSnapshot: settings.backup.preexistingSnapshot,
    preexistingMountPoint: settings.backup.preexistingMountPoint,
    maximumSnapshotAgeMs: settings.maximumSnapshotAgeMs,
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

import { dirname } from 'node:path';
import type {
  DatastoreInfo,
  DiskDescription,
  JsonObject,
  SnapshotInfo,
  VmDescription,
} from '../../../domain/vm.js';
import { baseImageOf, isOurOverlay, type BaseImage } from './baseImage.js';
import { isBackedUp, refusalOf } from './diskRefusal.js';
import type { DomainDisk } from '../xml/domain.js';
import { editDomain, lockConsoles, setDiskImage } from '../xml/domainEdit.js';
import { readCommands, readParts, vmNotFound, type ReadDomain } from './domains.js';
import { parseDomain } from '../xml/domainXml.js';
import { ONE_FOLDER, summarise } from './inventory.js';
import { freeSpace, usedBytes } from './storage.js';
import type { Virsh } from '../connection/virsh.js';
import { virshBatch } from '../connection/virshBatch.js';

/** What the other half of the driver knows of a VM. */
export interface DescriptionParts {
  /** Whether its agent answers. */
  readonly answers: (instanceUuid: string) => Promise<boolean>;
  readonly listSnapshots: (instanceUuid: string) => Promise<readonly SnapshotInfo[]>;
}

/** A disk of a VM as the description tells it, and where libvirt has it. */
export interface DescribedDisk {
  readonly disk: DomainDisk;
  readonly base: BaseImage | undefined;
  readonly description: DiskDescription;
}

export interface DescribedDomain {
  readonly read: ReadDomain;
  readonly hostName: string;
  readonly disks: readonly DescribedDisk[];
}

/** @throws EverthawError VmNotFound */
export async function describeVm(
  virsh: Virsh,
  instanceUuid: string,
  parts: DescriptionParts,
): Promise<VmDescription> {
  const described = await describeDomain(virsh, instanceUuid);
  const { read, hostName } = described;
  const bases = described.disks.flatMap(({ base }) => base ?? []);
  const files = bases.filter(({ isDevice }) => !isDevice).map(({ path }) => path);
  const devicesBytes = described.disks
    .filter(({ base }) => base?.isDevice)
    .reduce((sum, { description }) => sum + description.capacityBytes, 0);
  const [datastores, filesBytes, toolsRunning, snapshots] = await Promise.all([
    datastoresOf(virsh, files),
    usedBytes(virsh.shell, files),
    read.isRunning ? parts.answers(instanceUuid) : Promise.resolve(false),
    parts.listSnapshots(instanceUuid),
  ]);
  return {
    ...summarise(read),
    disks: described.disks.map(({ description }) => description),
    usedBytes: filesBytes + devicesBytes,
    folderPath: ONE_FOLDER,
    resourcePool: '',
    host: hostName,
    configPath: '',
    suspendDirectory: '',
    logDirectory: '',
    toolsRunning,
    snapshots,
    datastores,
    configuration: configurationOf(described),
  };
}

/** A domain with its disks and their sizes. */
export async function describeDomain(virsh: Virsh, uuid: string): Promise<DescribedDomain> {
  if (!/^[0-9a-f-]{36}$/i.test(uuid)) throw vmNotFound(uuid);
  const what = `describe VM ${uuid}`;
  const [info, xml, runningXml, sizes, hostName] = await virshBatch(virsh, what, [
    ...readCommands(uuid),
    ['dumpxml', uuid],
    ['domblkinfo', uuid, '--all'],
    ['hostname'],
  ]);
  const read = readParts(info, xml);
  if (read === undefined) throw vmNotFound(uuid);
  const running = runningXml === undefined ? [] : parseDomain(runningXml).disks;
  const disks = read.domain.disks.filter(isBackedUp);
  const capacities =
    sizes === undefined ? await capacitiesOneByOne(virsh, what, uuid, disks) : capacitiesIn(sizes);
  const described = [];
  for (const disk of disks) {
    const now = running.find(({ target }) => target === disk.target);
    described.push(await describeDisk(virsh, disk, now, capacities.get(disk.target)));
  }
  return { read, hostName: hostName?.trim() ?? '', disks: described };
}

/** The domain's XML as it is when no backup runs, and without the passwords that it bears. */
export function xmlOf({ read, disks }: DescribedDomain): string {
  return editDomain(read.xml, (domain) => {
    lockConsoles(domain);
    for (const { disk, base } of disks) {
      if (base !== undefined && disk.path !== undefined && isOurOverlay(disk.path))
        setDiskImage(domain, disk.target, base);
    }
  });
}

function configurationOf(described: DescribedDomain): JsonObject {
  return {
    xml: xmlOf(described),
    disks: described.disks.flatMap(({ disk: { label, target }, base }) =>
      base === undefined ? [] : [{ label, target, path: base.path, format: base.format }],
    ),
  };
}

async function describeDisk(
  virsh: Virsh,
  disk: DomainDisk,
  running: DomainDisk | undefined,
  capacityBytes: number | undefined,
): Promise<DescribedDisk> {
  const found = refusalOf(disk) ?? (await baseImageOf(virsh.shell, disk, running));
  if (typeof found === 'string') return { disk, base: undefined, description: refused(disk, found) };
  const { label } = disk;
  const { path } = found;
  const description =
    capacityBytes === undefined
      ? { ...refused(disk, `libvirt cannot tell its size: see that ${path} is there`), path }
      : { label, path, capacityBytes };
  return { disk, base: found, description };
}

function refused({ label, path }: DomainDisk, refusal: string): DiskDescription {
  return { label, path: path ?? '', capacityBytes: 0, refusal };
}

/** `virsh domblkinfo --all`: target, capacity, allocation, physical; a dash where nothing is known. */
function capacitiesIn(table: string): ReadonlyMap<string, number> {
  return new Map(
    [...table.matchAll(/^\s*(\S+)\s+(\d+)\s+\d+\s+\d+\s*$/gm)].map(([, target, capacity]) => [
      target ?? '',
      Number(capacity),
    ]),
  );
}

/** The table fails as a whole where one image is missing. */
async function capacitiesOneByOne(
  virsh: Virsh,
  what: string,
  uuid: string,
  disks: readonly DomainDisk[],
): Promise<ReadonlyMap<string, number>> {
  const asked = disks.filter(({ target }) => /^\w+$/.test(target));
  const parts = await virshBatch(
    virsh,
    what,
    asked.map(({ target }) => ['domblkinfo', uuid, target]),
  );
  const capacities = new Map<string, number>();
  for (const [index, { target }] of asked.entries()) {
    const capacity = /^Capacity:\s+(\d+)/m.exec(parts[index] ?? '')?.[1];
    if (capacity !== undefined) capacities.set(target, Number(capacity));
  }
  return capacities;
}

/** A directory with disks of the VM is what a datastore is elsewhere. */
async function datastoresOf(virsh: Virsh, files: readonly string[]): Promise<readonly DatastoreInfo[]> {
  const directories = [...new Set(files.map((file) => dirname(file)))];
  const spaces = await freeSpace(virsh.shell, directories);
  return directories.map((directory) => ({
    label: directory,
    url: directory,
    kind: spaces.get(directory)?.kind ?? '',
    freeBytes: spaces.get(directory)?.freeBytes ?? 0,
  }));
}

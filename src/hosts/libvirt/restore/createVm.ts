import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { EverthawError } from '../../../domain/errors.js';
import type { ImportRequest } from '../../exports.js';
import { parseConfiguration, type Configuration } from '../xml/configuration.js';
import { define } from './define.js';
import {
  editDomain,
  emptyDrive,
  renewAddresses,
  renewGeneration,
  setDiskImage,
  setName,
  setNetwork,
  setNvram,
  setUuid,
} from '../xml/domainEdit.js';
import { listDomains, readAllDomains } from '../inventory/domains.js';
import { parseDomain } from '../xml/domainXml.js';
import type { HostShell } from '../../../system/hostShell.js';
import { eraseNotes, writeRestored } from '../xml/metadata.js';
import { finishDisk, type RestoredDisk } from './restoredDisk.js';
import { libvirtPlace } from './restorePlace.js';
import type { Virsh } from '../connection/virsh.js';
import { NVRAM_FILE } from '../inventory/vmFiles.js';

/**
 * Makes the VM from the disks that were uploaded to a directory of the place, marked as not whole. It may be repeated from any
 * point: disks appear when they are whole, and the domain appears last, by one call.
 */
export async function createVm(
  virsh: Virsh,
  request: ImportRequest,
  uploadDirectory: string,
  signal: AbortSignal,
): Promise<{ moref: string; instanceUuid: string }> {
  const earlier = (await readAllDomains(virsh)).find(({ domain }) => domain.restored?.mark === request.mark);
  if (earlier?.domain.restored !== undefined)
    return { moref: earlier.domain.restored.id, instanceUuid: earlier.domain.uuid };
  const place = libvirtPlace(request.place);
  const directory = join(place.directory, uploadDirectory);
  const configuration = parseConfiguration(request.configuration);
  const disks = new Map<string, RestoredDisk>();
  for (const { disk } of request.disks) {
    const before = diskBefore(configuration, disk.label);
    disks.set(before.target, await finishDisk(virsh.shell, directory, disk, before.format, signal));
  }
  const id = randomUUID();
  const uuid = await freeUuid(virsh, request.instanceUuid);
  const nvram = join(directory, NVRAM_FILE);
  const emptied = await missingMedia(virsh.shell, configuration.xml);
  const xml = editDomain(configuration.xml, (domain) => {
    setName(domain, request.name);
    setUuid(domain, uuid);
    renewGeneration(domain);
    for (const [target, { path, format }] of disks)
      setDiskImage(domain, target, { path, format, isDevice: false });
    for (const target of emptied) emptyDrive(domain, target);
    // The original's file is the original's. Where none was kept libvirt makes one from its template.
    setNvram(domain, nvram);
    if (place.network !== '') setNetwork(domain, place.network);
    if (request.newAddresses) renewAddresses(domain, () => [...randomBytes(3)]);
    eraseNotes(domain);
    writeRestored(domain, { id, uuid, mark: request.mark, directory });
  });
  await define(virsh, `make VM "${request.name}"`, xml);
  return { moref: id, instanceUuid: uuid };
}

function diskBefore(configuration: Configuration, label: string): Configuration['disks'][number] {
  const found = configuration.disks.find((disk) => disk.label === label);
  if (found !== undefined) return found;
  throw new EverthawError({
    code: 'BackupDamaged',
    what: `restore disk ${label}`,
    why: 'the VM that the backup describes has no such disk',
    hint: 'somebody changed the backup: verify it, and take another one',
  });
}

/** The identity that it is to have, unless somebody has it: then its own, until it is in its place. */
async function freeUuid(virsh: Virsh, wanted: string): Promise<string> {
  const isTaken = (await listDomains(virsh)).some(({ uuid }) => uuid === wanted.toLowerCase());
  return isTaken || wanted === '' ? randomUUID() : wanted.toLowerCase();
}

/** Drives whose medium is not there any more: a VM that names one does not start. */
async function missingMedia(shell: HostShell, xml: string): Promise<readonly string[]> {
  const missing: string[] = [];
  for (const { device, path, target } of parseDomain(xml).disks) {
    if (path === undefined || (device !== 'cdrom' && device !== 'floppy')) continue;
    if ((await shell.run('test', ['-e', path])).exit !== 0) missing.push(target);
  }
  return missing;
}

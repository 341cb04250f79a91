import { setTimeout as sleep } from 'node:timers/promises';
import { EverthawError, isErrorWithCode } from '../../../domain/errors.js';
import type { SnapshotPlan } from './holdRecords.js';
import type { Libvirt } from '../connection/libvirt.js';
import { virshWord } from '../connection/virsh.js';
import { lookAt, type VmLook } from './vmLook.js';
import { formatTree, parseTree, XmlElement } from '../xml/xmlTree.js';

/*
 * A backup job in pull mode: from its beginning on QEMU keeps the old content of what the guest overwrites in a scratch file of
 * each disk, and serves all disks as they were at that moment over NBD. The VM's own disks stay as they are.
 */

/** How long a job that was told to end may take: it ends as soon as the guest's current writes have. */
const END_MS = 60_000;

export function scratchFile(hold: string, target: string): string {
  return `${hold}/${target}.scratch`;
}

export function socketOf({ socketDirectory }: SnapshotPlan): string {
  return `${socketDirectory}/nbd`;
}

/** The job's description, for `virsh backup-begin`: what is not named in it is not backed up. */
export function backupXml(hold: string, plan: SnapshotPlan): string {
  const backup = new XmlElement('domainbackup', { mode: 'pull' });
  backup.children.push(new XmlElement('server', serverOf(plan)));
  const disks = new XmlElement('disks');
  backup.children.push(disks);
  for (const { target } of plan.disks) {
    const disk = new XmlElement('disk', { name: target, backup: 'yes', type: 'file' });
    disk.children.push(new XmlElement('scratch', { file: scratchFile(hold, target) }));
    disks.children.push(disk);
  }
  return formatTree(backup);
}

function serverOf(plan: SnapshotPlan): Record<string, string> {
  if (plan.server === undefined) return { transport: 'unix', socket: socketOf(plan) };
  return { transport: 'tcp', tls: 'yes', name: plan.server.address, port: String(plan.server.port) };
}

/** The command that begins it, for virsh. */
export function beginBackup(hold: string, { uuid }: VmLook): string {
  return `backup-begin ${uuid} ${virshWord(`${hold}/backup.xml`)}`;
}

/** Ends the job if it is this hold's, and returns when it is gone. Somebody else's goes on. */
export async function endBackup({ virsh }: Libvirt, hold: string, { uuid, domain }: VmLook): Promise<void> {
  const what = `end the backup job of VM "${domain.name}"`;
  const deadline = Date.now() + END_MS;
  for (let pauseMs = 10, isAsked = false; ; pauseMs = Math.min(pauseMs * 2, 500)) {
    const job = await jobXml(what);
    // libvirt knows of a job a moment before it can describe it.
    const isBeginning = job === undefined && (await lookAt(virsh, uuid)).job === 'Backup';
    if (!isBeginning && (job === undefined || !isOf(hold, job))) return;
    if (!isBeginning && !isAsked) {
      await abort(what);
      isAsked = true;
    }
    if (Date.now() > deadline) {
      throw new EverthawError({
        code: 'ResourceBusy',
        what,
        why: `it has not ended ${END_MS / 1000} s after it was told to`,
        hint: `virsh domjobinfo ${domain.name} shows it; virsh domjobabort ${domain.name} ends it`,
        retry: 'again',
      });
    }
    await sleep(pauseMs);
  }

  async function jobXml(why: string): Promise<string | undefined> {
    try {
      return await virsh.run(why, ['backup-dumpxml', uuid]);
    } catch (error) {
      if (isErrorWithCode(error, 'HostFault') && /no domain backup job|not running/i.test(error.why))
        return undefined;
      throw error;
    }
  }

  async function abort(why: string): Promise<void> {
    try {
      await virsh.run(why, ['domjobabort', uuid]);
    } catch (error) {
      // It has ended by itself meanwhile; whether it has is seen in the next round.
      if (!isErrorWithCode(error, 'HostFault')) throw error;
    }
  }
}

/** A job is told by where its scratch files lie. */
function isOf(hold: string, job: string): boolean {
  return scratchFilesOf(job).some((file) => file.startsWith(`${hold}/`));
}

/** What a job of anybody's keeps what is overwritten in, as libvirt describes the job. */
export function scratchFilesOf(job: string): readonly string[] {
  const disks = parseTree(job.trim(), 'domainbackup').at('disks')?.elements('disk') ?? [];
  return disks.map((disk) => disk.at('scratch')?.get('file')).filter((file) => file !== undefined);
}

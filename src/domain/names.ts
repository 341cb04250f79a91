/** Every name that more than one part of the product must agree on: workflow ids, queues, search attributes. */

/** Name of our snapshots on the hypervisor (VCB's own, F1). */
export const SNAPSHOT_NAME = '_VCB_BACKUP_';

/** Queue of the workflows; any worker serves it. */
export const WORKFLOW_QUEUE = 'everthaw';

/** Queue of what needs a host only; every proxy that has the host in its register serves it. */
export function hostQueue(hostUuid: string): string {
  return `host/${hostUuid}`;
}

/** Queue of what happens on one proxy: files, mounts, NBD servers. */
export function proxyQueue(proxy: string): string {
  return `proxy/${proxy}`;
}

/** The mutex of a VM: whatever touches it runs under this workflow id, so that a second start is refused. */
export function vmWorkflowId(hostUuid: string, vmInstanceUuid: string): string {
  return `vm/${hostUuid}/${vmInstanceUuid}`;
}

/** Schedule by which a proxy is swept, and the beginning of its runs' workflow ids: the server adds the time. */
export function sweepScheduleId(proxy: string): string {
  return `sweep/${proxy}`;
}

/** Mutex and workflow id of a job's runs, and id of its schedule: of a job only one run is living. */
export function jobWorkflowId(job: string): string {
  return `${JOB_PREFIX}${job}`;
}

export const JOB_PREFIX = 'job/';

/** Beginning of the ids of what a schedule starts: it starts the job's run, unless one is living. The server adds the time. */
export function jobStarterId(job: string): string {
  return `start/${job}`;
}

/** Search attributes of runs, of type Keyword. */
export const SEARCH_ATTRIBUTES = {
  vm: 'EverthawVm',
  kind: 'EverthawKind',
  state: 'EverthawState',
  job: 'EverthawJob',
  proxy: 'EverthawProxy',
} as const;

/** Search attribute of type Int: how many bytes a backup holds that succeeded. */
export const BYTES_ATTRIBUTE = 'EverthawBytes';

/** Signals to a living run: to stop at a good moment (a {@link StopAfter}), and to try on where it is held. */
export const STOP_SIGNAL = 'stopAfter';
export const RESUME_SIGNAL = 'resume';

/** Who hands out permits to have a snapshot open: one of a namespace, as long as somebody holds one or waits. */
export const PERMITS_WORKFLOW_ID = 'permits';

/** Signals: a run asks for a permit (a PermitWish), is given it, and gives it back (each by its run id). */
export const PERMIT_ASKED_SIGNAL = 'permitAsked';
export const PERMIT_GRANTED_SIGNAL = 'permitGranted';
export const PERMIT_RETURNED_SIGNAL = 'permitReturned';

/** Signal to a living run that it is to end: handed over and done with, or else cancelled. */
export const END_SIGNAL = 'end';

/** Name of the update that answers when the export stands, with a StagedExport. */
export const EXPORTED_UPDATE = 'exported';

/** Name of the query that answers a run's current phase. */
export const PHASE_QUERY = 'phase';

/** Name of a directory that is not yet a backup: it carries the run, so that its owner is known from outside (F6a). */
export function partialName(directory: string, runId: string): string {
  return `${directory}.partial-${runId}`;
}

/** Name of a VM while it is being restored. */
export function restoringName(vmName: string, runId: string): string {
  return `${vmName}.restoring-${shortOf(runId)}`;
}

/** Directory of a restored VM's disks: it stays its home, so that its name says nothing of the restore. */
export function restoredDirectoryName(vmName: string, runId: string): string {
  return `${vmName.replaceAll('/', '%2f')}-${shortOf(runId)}`;
}

/** Name of the VM that a restored one is about to replace. */
export function replacedName(vmName: string, runId: string): string {
  return `${vmName}.replaced-${shortOf(runId)}`;
}

/** Enough of a run's id to tell runs apart: its end, for it begins with the time, the same for a minute (UUID version 7). */
function shortOf(runId: string): string {
  return runId.slice(-8);
}

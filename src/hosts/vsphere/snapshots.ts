import { EverthawError } from '../../domain/errors.js';
import type { Absence } from '../../domain/holding.js';
import type { SnapshotInfo } from '../../domain/vm.js';
import type { SnapshotRequest, SnapshotTaken } from '../host.js';
import { flattenSnapshots } from './description.js';
import { findVm } from './inventory.js';
import { arrayOf, readAll, readProperties, runTask, waitForTask } from './properties.js';
import type { VsphereSession } from './session.js';
import { children, readRef, ref, text, type Ref, type XmlInput } from './xml.js';

const SNAPSHOT_TASKS = /^VirtualMachine\.(createSnapshot|removeSnapshot|removeAllSnapshots|consolidateDisks)/;

/** Takes a snapshot without memory. The guest is frozen within the task, for no longer than the task took. */
export async function takeSnapshot(
  session: VsphereSession,
  instanceUuid: string,
  request: SnapshotRequest,
  signal: AbortSignal,
): Promise<SnapshotTaken> {
  const vm = await findVm(session, instanceUuid);
  const { result, durationMs } = await runTask(
    session,
    `take snapshot "${request.name}" of VM ${vm.value}`,
    vm,
    'CreateSnapshot_Task',
    { name: request.name, description: request.description, memory: false, quiesce: request.quiesce },
    signal,
  );
  const id = text(result);
  const snapshot = (await readSnapshots(session, vm)).find((candidate) => candidate.id === id);
  if (snapshot === undefined) {
    throw new EverthawError({
      code: 'SnapshotLost',
      what: `take snapshot "${request.name}" of VM ${vm.value}`,
      why: 'it was removed again at once by somebody else',
      hint: 'see who else snapshots this VM',
      retry: 'again',
    });
  }
  return { snapshot, frozenAtMostMs: request.quiesce ? durationMs : 0, warnings: [] };
}

export async function listSnapshots(
  session: VsphereSession,
  instanceUuid: string,
): Promise<readonly SnapshotInfo[]> {
  const vm = await findVm(session, instanceUuid);
  await waitForSnapshotTasks(session, vm);
  return readSnapshots(session, vm);
}

export async function listAllSnapshots(
  session: VsphereSession,
  name: string,
): Promise<readonly { vmUuid: string; vmName: string; snapshot: SnapshotInfo }[]> {
  const all = await readAll(session, 'list snapshots', 'VirtualMachine', [
    'name',
    'config.instanceUuid',
    'snapshot',
  ]);
  return all.flatMap(({ properties }) =>
    flattenSnapshots(children(properties.get('snapshot'), 'rootSnapshotList'))
      .filter((snapshot) => snapshot.name === name)
      .map((snapshot) => ({
        vmUuid: text(properties.get('config.instanceUuid')),
        vmName: text(properties.get('name')),
        snapshot,
      })),
  );
}

/** Removes one snapshot, never its children, and leaves no disk that needs consolidation. */
export async function commitSnapshot(
  session: VsphereSession,
  instanceUuid: string,
  snapshotId: string,
): Promise<void> {
  const vm = await findVm(session, instanceUuid);
  await waitForSnapshotTasks(session, vm);
  if ((await readSnapshots(session, vm)).some(({ id }) => id === snapshotId)) {
    await runTask(
      session,
      `remove snapshot ${snapshotId} of VM ${vm.value}`,
      ref('VirtualMachineSnapshot', snapshotId),
      'RemoveSnapshot_Task',
      { removeChildren: false, consolidate: true },
      new AbortController().signal,
    );
  }
  if (await needsConsolidation(session, vm)) {
    await runTask(
      session,
      `consolidate the disks of VM ${vm.value}`,
      vm,
      'ConsolidateVMDisks_Task',
      {},
      new AbortController().signal,
    );
  }
}

/** Absence as docs/architecture.md defines it: seen in the tree, with no task that may still change it. */
export async function snapshotAbsence(
  session: VsphereSession,
  instanceUuid: string,
  ours: (snapshot: SnapshotInfo) => boolean,
): Promise<Absence> {
  const vm = await findVm(session, instanceUuid);
  const properties = await readProperties(session, `look at VM ${vm.value}`, vm, [
    'runtime.connectionState',
    'snapshot',
    'runtime.consolidationNeeded',
  ]);
  const connection = text(properties.get('runtime.connectionState'));
  if (!['', 'connected'].includes(connection)) return { state: 'unknown', why: `the VM is ${connection}` };
  if ((await snapshotTasks(session, vm)).length > 0)
    return { state: 'present', why: 'a snapshot task is still queued or running' };
  const found = flattenSnapshots(children(properties.get('snapshot'), 'rootSnapshotList')).find(ours);
  if (found !== undefined) return { state: 'present', why: `snapshot ${found.id} is in the VM’s tree` };
  if (text(properties.get('runtime.consolidationNeeded')) === 'true')
    return { state: 'present', why: 'its disks need consolidation' };
  return { state: 'gone' };
}

async function readSnapshots(session: VsphereSession, vm: Ref): Promise<readonly SnapshotInfo[]> {
  const properties = await readProperties(session, `list the snapshots of VM ${vm.value}`, vm, ['snapshot']);
  return flattenSnapshots(children(properties.get('snapshot'), 'rootSnapshotList'));
}

async function needsConsolidation(session: VsphereSession, vm: Ref): Promise<boolean> {
  const properties = await readProperties(session, `look at VM ${vm.value}`, vm, [
    'runtime.consolidationNeeded',
  ]);
  return text(properties.get('runtime.consolidationNeeded')) === 'true';
}

/** A snapshot whose creator died may still be on its way: wait for it, so that a list is the truth. */
async function waitForSnapshotTasks(session: VsphereSession, vm: Ref): Promise<void> {
  for (const task of await snapshotTasks(session, vm)) {
    await waitForTask(
      session,
      `wait for a snapshot task of VM ${vm.value}`,
      task,
      AbortSignal.timeout(3_600_000),
    ).catch(() => undefined);
  }
}

async function snapshotTasks(session: VsphereSession, vm: Ref): Promise<readonly Ref[]> {
  const properties = await readProperties(session, `list the tasks of VM ${vm.value}`, vm, ['recentTask']);
  const tasks = arrayOf(properties.get('recentTask')).flatMap((node: XmlInput) => readRef(node) ?? []);
  const living: Ref[] = [];
  for (const task of tasks) {
    // A task that the host has forgotten meanwhile is over.
    const info = (await readProperties(session, 'read a task', task, ['info']).catch(() => undefined))?.get(
      'info',
    );
    if (
      SNAPSHOT_TASKS.test(text(info, 'descriptionId')) &&
      ['queued', 'running'].includes(text(info, 'state'))
    )
      living.push(task);
  }
  return living;
}

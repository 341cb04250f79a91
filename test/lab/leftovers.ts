import { existsSync, readdirSync, readFileSync, readlinkSync, type Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { isErrorWithNodeCode } from './errorCode.js';
import type { LabEverthaw } from './everthaw.js';
import type { LabVcenter } from './vcenter.js';

interface Places {
  readonly vcenter: LabVcenter;
  readonly everthaw: LabEverthaw;
}

/**
 * Everything that a run may have left over, seen with eyes that are not the product's own: the lab's control plane, /proc
 * and the file system. A test wants it to be empty, or to name exactly what is somebody else's.
 */
export async function leftovers(lab: Places): Promise<readonly string[]> {
  return [
    ...(await onHost(lab)),
    ...(await inDatastores(lab)),
    ...(await leftoversOnProxy(lab.everthaw)),
  ].sort();
}

async function onHost({ vcenter }: Places): Promise<readonly string[]> {
  const vms = await vcenter.vms();
  const leases = await vcenter.get<readonly { id: string; kind: string; vm: string }[]>('/leases');
  const sessions = await vcenter.get<readonly { key: string; userAgent: string }[]>('/sessions');
  const tasks = await vcenter.get<readonly { name: string; entityName: string }[]>('/tasks');
  return [
    ...vms.flatMap(({ name, snapshots }) =>
      (snapshots ?? []).map((snapshot) => `snapshot "${snapshot.name}" of VM "${name}"`),
    ),
    ...vms
      .filter(({ consolidationNeeded }) => consolidationNeeded)
      .map(({ name }) => `disks of VM "${name}" to be consolidated`),
    ...vms
      .filter(
        ({ name, extraConfig }) =>
          /\.(restoring|replaced)-/.test(name) || 'everthaw.restoring' in (extraConfig ?? {}),
      )
      .map(({ name }) => `half-restored VM "${name}"`),
    ...leases.map(({ kind, vm }) => `${kind} lease of VM "${vm}"`),
    ...sessions
      .filter(({ userAgent }) => userAgent.startsWith('everthaw'))
      .map(({ key }) => `login session ${key}`),
    ...tasks.map(({ name, entityName }) => `task ${name} on "${entityName}"`),
  ];
}

/** Directories of datastores that no VM lives in. */
async function inDatastores({ vcenter }: Places): Promise<readonly string[]> {
  const used = new Set(
    (await vcenter.vms()).flatMap(({ vmxPath, disks }) =>
      [vmxPath, ...(disks ?? []).map(({ path }) => path)].map((path) => path.split('/', 1)[0]),
    ),
  );
  const found: string[] = [];
  for (const datastore of ['LocalDS_0', 'LocalDS_1']) {
    const files = await vcenter.get<readonly { path: string }[]>(`/files?datastore=${datastore}`);
    const directories = new Set(files.map(({ path }) => `[${datastore}] ${path.split('/', 1)[0] ?? ''}`));
    for (const directory of directories)
      if (!used.has(directory)) found.push(`uploaded files in ${directory}`);
  }
  return found;
}

/** What is left over on the proxy, whatever the host. */
export async function leftoversOnProxy(everthaw: LabEverthaw): Promise<readonly string[]> {
  const files = await everythingIn(everthaw.directory);
  const paths = files.map((file) => ({
    path: relative(everthaw.directory, join(file.parentPath, file.name)),
    isDirectory: file.isDirectory(),
  }));
  return [
    ...paths
      .filter(({ path, isDirectory }) => isDirectory && /\.partial-[^/]*$/.test(path))
      .map(({ path }) => `unfinished backup ${path}`),
    ...paths
      .filter(({ path, isDirectory }) => !isDirectory && /^state\/(holdings|hosts|sessions)\//.test(path))
      .map(({ path }) => `note ${path}`),
    ...paths.filter(({ path }) => path.startsWith('scratch/')).map(({ path }) => `scratch file ${path}`),
    ...readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map((line) => ({ at: line.split(' ')[4] ?? '', isFuse: line.includes(' - fuse') }))
      .filter(({ at, isFuse }) => isFuse && at.startsWith(`${everthaw.directory}/`))
      .map(({ at }) => `mount ${relative(everthaw.directory, at)}`),
    ...processesOf(everthaw.state)
      .filter(({ pid }) => pid !== everthaw.workerPid)
      .map(({ program, pid, args }) => `process ${program} (${pid}): ${args.replaceAll('\0', ' ').trim()}`),
  ];
}

/** All below a directory. What is going as it is looked at makes the whole look begin again. */
async function everythingIn(directory: string): Promise<readonly Dirent[]> {
  for (;;) {
    try {
      return await below(directory);
    } catch (error) {
      if (!isErrorWithNodeCode(error, 'ENOENT') || !existsSync(directory)) throw error;
    }
  }
}

/** @throws Error ENOENT for a directory that has just gone */
async function below(directory: string): Promise<readonly Dirent[]> {
  const found: Dirent[] = [];
  for (const entry of await entriesOf(directory)) {
    found.push(entry);
    if (entry.isDirectory()) found.push(...(await below(join(directory, entry.name))));
  }
  return found;
}

/** What a mount answers one of whose layers was killed, or that begins or ends as it is looked at: FUSE aborts what it was asked for. */
const MOUNT_ENDED = ['ENOTCONN', 'EIO', 'ECONNABORTED', 'ERANGE'];

/** Nothing is to be seen in such a mount. That there is one, the table of mounts tells. */
async function entriesOf(directory: string): Promise<readonly Dirent[]> {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    if (MOUNT_ENDED.some((code) => isErrorWithNodeCode(error, code))) return [];
    throw error;
  }
}

export interface SeenProcess {
  readonly pid: number;
  readonly program: string;
  readonly args: string;
}

/** Every process that was started for a state directory, orphans too: the environment tells. */
export function processesOf(state: string): readonly SeenProcess[] {
  return processesWith(`EVERTHAW_STATE=${state}`);
}

/** Every process that has this setting in its environment. Read in one go: /proc is memory, and to wait for it costs more. */
export function processesWith(setting: string): readonly SeenProcess[] {
  const found: SeenProcess[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (!readFileSync(`/proc/${name}/environ`, 'utf8').split('\0').includes(setting)) continue;
      const args = readFileSync(`/proc/${name}/cmdline`, 'utf8');
      found.push({ pid: Number(name), program: readlinkSync(`/proc/${name}/exe`), args });
    } catch {
      // It has ended, or is somebody else's.
    }
  }
  return found;
}

import { EverthawError } from '../domain/errors.js';
import { finding, type Finding } from '../domain/finding.js';
import { runForOutput } from '../system/program.js';

/** A program of the proxy that a backup or restore starts. */
interface Tool {
  readonly program: string;
  /** Of nbdkit: the plugin that has to be there with it. */
  readonly plugin?: string;
  readonly needed: string;
  /** The package that holds it, where it is known. */
  readonly debian?: string;
}

const ALWAYS: readonly Tool[] = [
  { program: 'setpriv', needed: 'every program that is started', debian: 'util-linux' },
  { program: 'flock', needed: 'locks between processes', debian: 'util-linux' },
];

const CURL = { program: 'curl', needed: 'reading and writing over HTTPS', debian: 'curl' };

/** By the ways in which disks are moved. */
const TOOLS: Readonly<Record<ToolSet, readonly Tool[]>> = {
  lease: [CURL],
  datastore: [CURL, { program: 'nbdkit', plugin: 'curl', needed: 'nbdssl:datastore', debian: 'nbdkit' }],
  export: [
    { program: 'nbdinfo', needed: 'nbd:export', debian: 'libnbd-bin' },
    { program: 'qemu-img', needed: 'images of disks', debian: 'qemu-utils' },
    { program: 'nbdcopy', needed: '--disk-format raw', debian: 'libnbd-bin' },
  ],
  tls: [{ program: 'nbdkit', plugin: 'nbd', needed: 'nbdssl:export', debian: 'nbdkit' }],
  local: [{ program: 'virsh', needed: 'libvirt on this machine', debian: 'libvirt-clients' }],
  ssh: [{ program: 'ssh', needed: 'libvirt on another machine', debian: 'openssh-client' }],
};

export type ToolSet = 'lease' | 'datastore' | 'export' | 'tls' | 'local' | 'ssh';

/** Whether the programs are on this proxy's path: it is the worker that starts them, from its own. */
export async function checkTools(sets: readonly ToolSet[]): Promise<readonly Finding[]> {
  const tools = [...ALWAYS, ...sets.flatMap((set) => TOOLS[set])];
  return Promise.all(
    tools.map((tool) => finding('program', nameOf(tool), () => look(tool, AbortSignal.timeout(PATIENCE_MS)))),
  );
}

/** Of `everthaw files`, by the Debian packages that hold them: no backup needs them. */
const FILE_TOOLS = {
  'qemu-storage-daemon': 'qemu-system-common',
  fuse2fs: 'fuse2fs',
  'ntfs-3g': 'ntfs-3g',
  'grub-mount': 'grub-common',
  hivexget: 'libhivex-bin',
  rsync: 'rsync',
} as const;

/** Whether files can be read out of backups here. */
export async function checkFileTools(): Promise<Finding> {
  const about = { check: 'program', on: 'everthaw files' };
  const missing: string[] = [];
  for (const [program, debian] of Object.entries(FILE_TOOLS))
    await look({ program, needed: about.on, debian }, AbortSignal.timeout(PATIENCE_MS)).catch(() =>
      missing.push(debian),
    );
  return missing.length === 0
    ? { ...about, state: 'ok', found: 'its programs are here' }
    : {
        ...about,
        state: 'warning',
        found:
          'not all of its programs are here: backups are made, but not all files can be read out of them',
        todo: `install them (Debian: apt install ${missing.join(' ')})`,
      };
}

/**
 * @param needed what for, as an error says it
 * @param isPackage whether Debian's package is called as it is
 * @throws EverthawError ProgramMissing where a program is not on this proxy's path
 */
export async function findTool(program: string, needed: string, isPackage: boolean): Promise<void> {
  const tool = { program, needed, ...(isPackage ? { debian: program } : {}) };
  await look(tool, AbortSignal.timeout(PATIENCE_MS));
}

const PATIENCE_MS = 20_000;

function nameOf({ program, plugin }: Tool): string {
  return plugin === undefined ? program : `${program} ${plugin}`;
}

async function look(tool: Tool, signal: AbortSignal): Promise<string> {
  const { program, plugin, needed, debian } = tool;
  const what = nameOf(tool);
  try {
    const path = await runForOutput(
      { program: 'sh', args: ['-c', 'command -v -- "$1"', 'sh', program], what },
      signal,
    );
    if (plugin !== undefined) await runForOutput({ program, args: ['--dump-plugin', plugin], what }, signal);
    return path.trim();
  } catch (error) {
    throw new EverthawError({
      code: 'ProgramMissing',
      what: `find ${what}`,
      why: `it is not on the path, or does not start (it is for: ${needed})`,
      hint:
        debian === undefined
          ? 'name it with its whole path, and see that it may be run'
          : `install it (Debian: ${debian})`,
      cause: error,
    });
  }
}

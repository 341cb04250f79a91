import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { IMAGE_FORMATS } from '../domain/diskFiles.js';
import { PREEXISTING, SNAPSHOT_POLICIES } from '../domain/runs.js';
import { TRANSPORT_NAMES } from '../domain/transport.js';
import type { Kind, ValueOf } from './kind.js';

/** One setting: all that there is to say of it is said here, and everything else is made from it. */
export interface SettingDeclaration {
  readonly kind: Kind;
  /** What it is, in the words of its user. */
  readonly what: string;
  readonly env?: string;
  /** As commander takes it; its long name, in camel case, is what the command is given. */
  readonly flag?: string;
  /**
   * Where in everthaw.yaml: at its top, in one of its sections, or in what it says of a host. `proxy`: at its top, and for one proxy in
   * `proxies.<name>`.
   */
  readonly section?: 'top' | 'proxy' | 'temporal' | 'defaults' | 'vsphere' | 'libvirt';
  /** Its key there. */
  readonly key?: string;
  /** Its option in config.js (F3). */
  readonly configJs?: string;
  /** Its variable in backuptools.conf (F4). */
  readonly conf?: string;
  readonly default?: string | number | boolean | ((env: NodeJS.ProcessEnv) => string);
  /** A default that is computed, or what is done without one. */
  readonly defaultTold?: string;
}

const GIVEN = { is: 'text', allowed: 'a text' } as const;
const SECONDS = { is: 'wholeNumber', from: 1, to: 365 * 24 * 3600 } as const;
const MIB = { is: 'wholeNumber', from: 0, to: 1024 ** 3 } as const;
const PATH = { is: 'path' } as const;
const HOST_PATH = {
  is: 'text',
  shape: /^\/\P{Cc}*$/u,
  allowed: 'a path of the host that begins with /',
} as const;

/** SHA-1 or SHA-256, as servers show it. */
const THUMBPRINT = {
  is: 'text',
  shape: /^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){19}((:[0-9A-Fa-f]{2}){12})?$/,
  allowed: 'XX:XX:…, 20 bytes (SHA-1) or 32 (SHA-256)',
} as const;

export const SETTINGS = {
  stateDirectory: {
    kind: PATH,
    what: 'everything that must survive: the register of hosts, notes of what is held, Temporal’s database',
    env: 'EVERTHAW_STATE',
    section: 'top',
    key: 'stateDirectory',
    default: (env) => join(env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'everthaw'),
    defaultTold: '`everthaw` in `$XDG_STATE_HOME` or `~/.local/state`',
  },
  cacheDirectory: {
    kind: PATH,
    what: 'what can be fetched or built again',
    env: 'EVERTHAW_CACHE',
    section: 'top',
    key: 'cacheDirectory',
    default: (env) => join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'everthaw'),
    defaultTold: '`everthaw` in `$XDG_CACHE_HOME` or `~/.cache`',
  },
  proxy: {
    kind: GIVEN,
    what: 'name of this proxy, and of the queue that its worker serves',
    env: 'EVERTHAW_PROXY',
    section: 'top',
    key: 'proxy',
    default: () => hostname(),
    defaultTold: 'the machine’s name',
  },
  logLevel: {
    kind: { is: 'oneOf', words: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] },
    what: 'how much the worker says',
    env: 'EVERTHAW_LOG_LEVEL',
    section: 'proxy',
    key: 'logLevel',
    default: 'info',
  },
  mostMountedVolumes: {
    kind: { is: 'wholeNumber', from: 1, to: 1000 },
    what: 'how many volumes may be mounted on this proxy at once for other software; more wait, in order (F7)',
    env: 'EVERTHAW_MOST_MOUNTED_VOLUMES',
    section: 'proxy',
    key: 'mostMountedVolumes',
    default: 60,
  },
  maximumSnapshotAgeS: {
    kind: SECONDS,
    what: 'seconds after which a run gives up and commits its snapshot',
    env: 'EVERTHAW_MAXIMUM_SNAPSHOT_AGE_S',
    section: 'proxy',
    key: 'maximumSnapshotAgeS',
    default: 24 * 3600,
  },
  sweepEveryS: {
    kind: { is: 'wholeNumber', from: 0, to: SECONDS.to },
    what: 'seconds between two sweeps of this proxy; 0: none',
    env: 'EVERTHAW_SWEEP_EVERY_S',
    section: 'proxy',
    key: 'sweepEveryS',
    default: 300,
  },
  offlineAfterS: {
    kind: SECONDS,
    what: 'seconds without the Temporal server, after which what this proxy’s runs hold is let go without one',
    env: 'EVERTHAW_OFFLINE_AFTER_S',
    section: 'proxy',
    key: 'offlineAfterS',
    default: 900,
  },
  metricsAddress: {
    kind: { is: 'text', shape: /^\P{Cc}+:\d{1,5}$/u, allowed: 'address:port' },
    what: 'where the worker serves its metrics, as 127.0.0.1:9464',
    env: 'EVERTHAW_METRICS_ADDRESS',
    section: 'proxy',
    key: 'metricsAddress',
    defaultTold: 'none are served',
  },
  temporalAddress: {
    kind: { is: 'text', shape: /^\P{Cc}+:\d{1,5}$/u, allowed: 'address:port' },
    what: 'a Temporal server that somebody else runs',
    env: 'TEMPORAL_ADDRESS',
    section: 'temporal',
    key: 'address',
    defaultTold: 'an embedded one is started',
  },
  temporalNamespace: {
    kind: GIVEN,
    what: 'its namespace',
    env: 'TEMPORAL_NAMESPACE',
    section: 'temporal',
    key: 'namespace',
    default: 'default',
  },
  temporalProgram: {
    kind: PATH,
    what: 'the `temporal` program of the embedded server',
    env: 'EVERTHAW_TEMPORAL',
    section: 'temporal',
    key: 'program',
    defaultTold: 'looked for on the PATH and in the cache, else fetched or built',
  },

  host: {
    kind: GIVEN,
    what: 'vCenter Server, ESX host, or a libvirt URI as qemu:///system; or the name of a host in everthaw.yaml',
    env: 'EVERTHAW_HOST',
    flag: '--host <address>',
    section: 'defaults',
    key: 'host',
    configJs: 'HOST',
    conf: 'VCHOST',
    defaultTold: 'the only host of everthaw.yaml',
  },
  port: {
    kind: { is: 'wholeNumber', from: 1, to: 65_535 },
    what: 'vSphere: its HTTPS port',
    env: 'EVERTHAW_PORT',
    flag: '--port <number>',
    section: 'vsphere',
    key: 'port',
    configJs: 'PORT',
    default: 443,
  },
  username: {
    kind: GIVEN,
    what: 'vSphere: the backup user',
    env: 'EVERTHAW_USERNAME',
    flag: '--username <name>',
    section: 'vsphere',
    key: 'username',
    configJs: 'USERNAME',
    conf: 'USERNAME',
  },
  password: {
    kind: { is: 'secret' },
    what: 'vSphere: its password',
    env: 'EVERTHAW_PASSWORD',
    flag: '-p, --password <password>',
    configJs: 'PASSWORD',
    conf: 'PASSWORD',
    defaultTold: 'asked for on a terminal',
  },
  passwordFile: {
    kind: PATH,
    what: 'vSphere: file with its password',
    env: 'EVERTHAW_PASSWORD_FILE',
    flag: '--password-file <file>',
    section: 'vsphere',
    key: 'passwordFile',
  },
  thumbprint: {
    kind: THUMBPRINT,
    what: 'vSphere: thumbprint of the host’s certificate, SHA-256 or SHA-1',
    env: 'EVERTHAW_THUMBPRINT',
    flag: '--thumbprint <XX:XX:…>',
    section: 'vsphere',
    key: 'thumbprint',
    configJs: 'HOST_THUMBPRINT',
    conf: 'HOST_THUMBPRINT',
  },
  caFile: {
    kind: PATH,
    what: 'vSphere: CA that signed the host’s certificate',
    env: 'EVERTHAW_CA_FILE',
    flag: '--ca-file <file>',
    section: 'vsphere',
    key: 'caFile',
    defaultTold: 'the CAs that Node knows',
  },
  verifyCertificate: {
    kind: { is: 'oneOf', words: ['0', '1'] },
    what: 'vSphere: 0 believes whatever certificate the host shows',
    configJs: 'VERIFY_SSL_CERTIFICATES',
    default: '1',
  },
  datastoreFloorMib: {
    kind: MIB,
    what: 'vSphere: with less room (MiB) on one of the VM’s datastores a backup is not begun, and given up',
    env: 'EVERTHAW_DATASTORE_FLOOR_MIB',
    section: 'vsphere',
    key: 'datastoreFloorMib',
    defaultTold: '1024',
  },
  datastores: {
    kind: { is: 'map', allowed: 'labels of datastores by the labels or uuids that backups name' },
    what: 'vSphere: where disks are restored to that were on datastores of other names, if nothing else is said; in the environment as JSON',
    env: 'EVERTHAW_DATASTORES',
    section: 'vsphere',
    key: 'datastores',
    default: '{}',
    defaultTold: 'each goes to the one of its name',
  },

  pointInTime: {
    kind: { is: 'oneOf', words: ['auto', 'pull', 'overlay'] },
    what: 'libvirt: pull (a backup job), overlay (an external snapshot), or auto',
    env: 'EVERTHAW_POINT_IN_TIME',
    flag: '--point-in-time <way>',
    section: 'libvirt',
    key: 'pointInTime',
    default: 'auto',
  },
  scratchDirectory: {
    kind: HOST_PATH,
    what: 'libvirt: where on the host old blocks are kept meanwhile',
    env: 'EVERTHAW_SCRATCH_DIRECTORY',
    flag: '--scratch-directory <directory>',
    section: 'libvirt',
    key: 'scratchDirectory',
    defaultTold: 'beside the first disk',
  },
  socketDirectory: {
    kind: HOST_PATH,
    what: 'libvirt: where on the host sockets are made, for hosts that confine QEMU to places of their choice',
    env: 'EVERTHAW_SOCKET_DIRECTORY',
    section: 'libvirt',
    key: 'socketDirectory',
    defaultTold: 'within the scratch directory',
  },
  scratchFloorMib: {
    kind: MIB,
    what: 'libvirt: room on the host (MiB) that is never used up',
    env: 'EVERTHAW_SCRATCH_FLOOR_MIB',
    section: 'libvirt',
    key: 'scratchFloorMib',
    default: 256,
  },
  freezeUnguarded: {
    kind: { is: 'yesNo' },
    what: 'libvirt: freeze guests in which the dead-man’s switch cannot be armed',
    env: 'EVERTHAW_FREEZE_UNGUARDED',
    flag: '--freeze-unguarded',
    section: 'libvirt',
    key: 'freezeUnguarded',
    default: false,
  },
  freezeSeconds: {
    kind: { is: 'wholeNumber', from: 1, to: 60 },
    what: 'libvirt: seconds that a freeze may take, after which the guest ends it by itself',
    env: 'EVERTHAW_FREEZE_SECONDS',
    section: 'libvirt',
    key: 'freezeSeconds',
    default: 8,
  },
  scriptTimeoutS: {
    kind: SECONDS,
    what: 'libvirt: seconds that a script in the guest may take',
    env: 'EVERTHAW_SCRIPT_TIMEOUT_S',
    section: 'libvirt',
    key: 'scriptTimeoutS',
    default: 60,
  },
  nbdTransport: {
    kind: { is: 'oneOf', words: ['unix', 'tls'] },
    what: 'libvirt: unix (a socket, over ssh through a tunnel) or tls, by which disks are read',
    env: 'EVERTHAW_NBD_TRANSPORT',
    flag: '--nbd-transport <way>',
    section: 'libvirt',
    key: 'nbdTransport',
    default: 'unix',
  },
  nbdCertificates: {
    kind: PATH,
    what: 'libvirt, tls: directory of the proxy with ca-cert.pem, client-cert.pem, client-key.pem',
    env: 'EVERTHAW_NBD_CERTIFICATES',
    section: 'libvirt',
    key: 'nbdCertificates',
  },
  nbdAddress: {
    kind: GIVEN,
    what: 'libvirt, tls: where QEMU listens and is reached',
    env: 'EVERTHAW_NBD_ADDRESS',
    section: 'libvirt',
    key: 'nbdAddress',
    defaultTold: 'the host in the URI, else localhost',
  },
  nbdPort: {
    kind: { is: 'wholeNumber', from: 1, to: 65_472 },
    what: 'libvirt, tls: the first of 64 ports of which each backup takes a free one',
    env: 'EVERTHAW_NBD_PORT',
    section: 'libvirt',
    key: 'nbdPort',
    default: 10_809,
  },

  root: {
    kind: { is: 'destination' },
    what: 'BACKUPROOT: the backup goes to <root>/<vm>-fullVM; a directory, or scp://user@host:/path',
    env: 'EVERTHAW_ROOT',
    flag: '--root <directory>',
    section: 'defaults',
    key: 'root',
    configJs: 'BACKUPROOT',
  },
  transport: {
    kind: { is: 'oneOf', words: TRANSPORT_NAMES },
    what: 'vSphere: nbdssl:lease, nbdssl:datastore; libvirt: nbd:export, or nbdssl:export with --nbd-transport tls; or a mode alone',
    env: 'EVERTHAW_TRANSPORT',
    flag: '--transport <mode>',
    section: 'defaults',
    key: 'transport',
    configJs: 'TRANSPORT_MODE',
    defaultTold: 'nbdssl:lease on vSphere; on libvirt by --nbd-transport',
  },
  diskFormat: {
    kind: { is: 'oneOf', words: IMAGE_FORMATS },
    what: 'libvirt: how disks are kept: qcow2, vmdk or raw',
    env: 'EVERTHAW_DISK_FORMAT',
    flag: '--disk-format <format>',
    section: 'defaults',
    key: 'diskFormat',
    defaultTold: 'qcow2 on libvirt',
  },
  quiesce: {
    kind: { is: 'oneOf', words: ['required', 'preferred', 'none'] },
    what: 'required, preferred (else crash-consistent) or none',
    env: 'EVERTHAW_QUIESCE',
    flag: '--quiesce <how>',
    section: 'defaults',
    key: 'quiesce',
    default: 'required',
  },
  snapshotPolicy: {
    kind: { is: 'oneOf', words: SNAPSHOT_POLICIES },
    what: 'automatic; manual: use the existing _VCB_BACKUP_ and leave it; createonly: leave the one that is taken; deleteonly: use the existing one, then remove it',
    env: 'EVERTHAW_SNAPSHOT_POLICY',
    flag: '--snapshot-policy <policy>',
    section: 'defaults',
    key: 'snapshotPolicy',
    configJs: 'SNAPSHOT_POLICY',
    default: 'automatic',
  },
  preexistingSnapshot: {
    kind: { is: 'oneOf', words: PREEXISTING },
    what: 'what is done with a snapshot _VCB_BACKUP_ that is there already, whoever made it: fail or delete',
    env: 'EVERTHAW_PREEXISTING_SNAPSHOT',
    flag: '--preexisting-snapshot <what>',
    section: 'defaults',
    key: 'preexistingSnapshot',
    configJs: 'PREEXISTING_VCB_SNAPSHOT',
    default: 'fail',
  },
  preexistingMountPoint: {
    kind: { is: 'oneOf', words: PREEXISTING },
    what: 'delete: first let go of what dead runs left of this VM, unfinished directories and snapshots; fail: leave it to the sweeper',
    env: 'EVERTHAW_PREEXISTING_MOUNT_POINT',
    flag: '--preexisting-mount-point <what>',
    section: 'defaults',
    key: 'preexistingMountPoint',
    configJs: 'PREEXISTING_MOUNTPOINT',
    default: 'fail',
  },
  lookup: {
    kind: { is: 'oneOf', words: ['ipaddr', 'name'] },
    what: 'VM_LOOKUP_METHOD: what a VM is named by that is given without a kind, as db1: its address or its name',
    env: 'EVERTHAW_LOOKUP',
    section: 'defaults',
    key: 'lookup',
    configJs: 'VM_LOOKUP_METHOD',
    default: 'name',
  },
  retries: {
    kind: { is: 'wholeNumber', from: 0, to: 1_000_000 },
    what: 'MAX_RETRIES: retries of a failed operation',
    env: 'EVERTHAW_RETRIES',
    flag: '--retries <number>',
    section: 'defaults',
    key: 'retries',
    configJs: 'MAX_RETRIES',
    default: 0,
  },
  backoff: {
    kind: { ...SECONDS, from: 0 },
    what: 'BACKOFF_TIME: seconds before a retry',
    env: 'EVERTHAW_BACKOFF',
    flag: '--backoff <seconds>',
    section: 'defaults',
    key: 'backoff',
    configJs: 'BACKOFF_TIME',
    default: 10,
  },
  timeZone: {
    kind: { is: 'timeZone' },
    what: 'by whose clocks hours, days, weeks, months and years begin, of which everthaw forget keeps backups',
    env: 'EVERTHAW_TIME_ZONE',
    flag: '--time-zone <zone>',
    section: 'defaults',
    key: 'timeZone',
    default: () => Intl.DateTimeFormat().resolvedOptions().timeZone,
    defaultTold: 'this machine’s own',
  },

  resticRepository: {
    kind: GIVEN,
    what: 'repository of restic’s that files of VMs are backed up to: a directory, `sftp:…`, `rest:…`, `s3:…`',
    env: 'RESTIC_REPOSITORY',
    flag: '--restic-repository <place>',
    section: 'proxy',
    key: 'resticRepository',
  },
  resticPasswordFile: {
    kind: PATH,
    what: 'file that holds its password',
    env: 'RESTIC_PASSWORD_FILE',
    flag: '--restic-password-file <file>',
    section: 'proxy',
    key: 'resticPasswordFile',
  },
  resticEnvironmentFile: {
    kind: PATH,
    what: 'file with NAME=value in each line, which restic gets in its environment: keys of an object store',
    env: 'EVERTHAW_RESTIC_ENVIRONMENT_FILE',
    flag: '--restic-environment-file <file>',
    section: 'proxy',
    key: 'resticEnvironmentFile',
  },
  rcloneDestination: {
    kind: GIVEN,
    what: 'where `--module rclone` copies files of VMs to: `remote:path`, or a directory',
    env: 'EVERTHAW_RCLONE_DESTINATION',
    flag: '--rclone-destination <place>',
    section: 'proxy',
    key: 'rcloneDestination',
  },
  rcloneConfigFile: {
    kind: PATH,
    what: 'rclone’s own configuration, which says how its remotes are reached',
    env: 'RCLONE_CONFIG',
    flag: '--rclone-config-file <file>',
    section: 'proxy',
    key: 'rcloneConfigFile',
    defaultTold: 'where rclone looks for it',
  },
  vmNameCache: {
    kind: PATH,
    what: 'VMNAMECACHE: file that remembers which VM had which address, so that a VM is found that is off',
    env: 'EVERTHAW_VM_NAME_CACHE',
    conf: 'VMNAMECACHE',
  },
  tempDirectory: {
    kind: PATH,
    what: 'TEMPDIR: room for a backup that is fetched over ssh while it is restored; else the system’s own',
    env: 'EVERTHAW_TEMPDIR',
    conf: 'TEMPDIR',
  },
  restoreDatastore: {
    kind: GIVEN,
    what: 'DSPATH: where VMs of ESX 2.5 backups are restored to, as `[oldvms] %VMNAME%`',
    env: 'EVERTHAW_DSPATH',
    flag: '--ds-path <path>',
    conf: 'DSPATH',
  },
  restoreHost: {
    kind: GIVEN,
    what: 'VMHOST: the host that such a VM is powered on at',
    env: 'EVERTHAW_VMHOST',
    flag: '--vm-host <name>',
    conf: 'VMHOST',
  },
  restoreResourcePool: {
    kind: GIVEN,
    what: 'RESOURCEPOOL: its resource pool; `%VMHOST%` stands for VMHOST',
    env: 'EVERTHAW_RESOURCEPOOL',
    flag: '--resource-pool <path>',
    conf: 'RESOURCEPOOL',
  },
  restoreFolder: {
    kind: GIVEN,
    what: 'FOLDERPATH: its folder',
    env: 'EVERTHAW_FOLDERPATH',
    flag: '--folder-path <path>',
    conf: 'FOLDERPATH',
  },
} as const satisfies Record<string, SettingDeclaration>;

export type SettingName = keyof typeof SETTINGS;

type HasDefault<N extends SettingName> = (typeof SETTINGS)[N] extends { default: unknown } ? true : false;

/** The value of each setting; `undefined` where nobody gave one and there is no default. */
export type SettingValues = {
  readonly [N in SettingName]:
    ValueOf<(typeof SETTINGS)[N]['kind']> | (HasDefault<N> extends true ? never : undefined);
};

export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];

export function declarationOf(name: SettingName): SettingDeclaration {
  return SETTINGS[name];
}

/** A flag without its short form and its argument: `--ca-file`. */
export function longFlag(flag: string): string {
  return /--[\w-]+/.exec(flag)?.[0] ?? flag;
}

/** What commander calls a flag: `--ca-file <file>` is `caFile`. */
export function flagAttribute(flag: string): string {
  return longFlag(flag)
    .slice(2)
    .replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

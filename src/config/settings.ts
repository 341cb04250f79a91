import { resolve } from 'node:path';
import type { Channel } from '../domain/channel.js';
import type { JobDefinition } from '../domain/jobs.js';
import type { SnapshotLimits } from '../domain/permits.js';
import type { RetrySettings } from '../domain/runs.js';
import type { LibvirtSettings } from '../hosts/libvirt/connection/settings.js';
import { Secret } from '../hosts/secret.js';
import { problemsError } from './problem.js';
import { declarationOf, SETTING_NAMES, type SettingName, type SettingValues } from './settingTable.js';
import { readSources, type Sources, type Told } from './sources.js';
import { packageVersion } from './version.js';
import type { Value } from './written.js';

const MIB = 1024 * 1024;

/** What the process is told from outside; this folder is the only reader of the environment and of configuration files. */
export interface Settings {
  readonly version: string;
  /** The everthaw.yaml that was read. */
  readonly configFile: string | undefined;
  /** What is no reason to stop, and yet wants to be known. */
  readonly warnings: readonly string[];
  /** Everything that must survive this process: Temporal's database, the host register, notes of what is held. */
  readonly stateDirectory: string;
  /** What can be fetched or built again. */
  readonly cacheDirectory: string;
  readonly temporal: {
    /** A Temporal server that somebody else runs; without it an embedded one is started. */
    readonly address: string | undefined;
    readonly namespace: string;
    /** The `temporal` program to use for the embedded server. */
    readonly program: string | undefined;
    readonly path: string;
  };
  /** Name of this proxy: of the queue that its worker serves. */
  readonly proxy: string;
  readonly logLevel: string;
  readonly maximumSnapshotAgeMs: number;
  readonly mostMountedVolumes: number;
  /** How many snapshots may be open at once (F8). */
  readonly snapshotLimits: SnapshotLimits;
  /** How often this proxy's worker has it swept; 0: never. */
  readonly sweepEveryMs: number;
  /** After so long without its server, what runs of this proxy hold is let go without one. */
  readonly offlineAfterMs: number;
  /** Where the worker serves its metrics, as 127.0.0.1:9464. */
  readonly metricsAddress: string | undefined;
  readonly host: {
    readonly address: string | undefined;
    readonly port: number;
    readonly username: string | undefined;
    /** Not both: what was said with more weight. */
    readonly password: Secret | undefined;
    readonly passwordFile: string | undefined;
    readonly thumbprint: string | undefined;
    readonly caFile: string | undefined;
    /** `false`: whatever certificate the host shows is believed. */
    readonly verifyCertificate: boolean;
    /** vSphere: below this much room on one of the VM's datastores a backup is not begun, and given up. */
    readonly datastoreFloorBytes: number | undefined;
    /** vSphere: labels of datastores by the labels or uuids that backups name. */
    readonly datastores: Readonly<Record<string, string>>;
  };
  /** How to work with a libvirt host. */
  readonly libvirt: LibvirtSettings;
  readonly backup: Pick<
    SettingValues,
    | 'root'
    | 'transport'
    | 'diskFormat'
    | 'quiesce'
    | 'snapshotPolicy'
    | 'preexistingSnapshot'
    | 'preexistingMountPoint'
  >;
  /** The repository that `--module restic` backs files up to. */
  readonly restic: {
    readonly place: string | undefined;
    readonly passwordFile: string | undefined;
    readonly environmentFile: string | undefined;
  };
  /** Where `--module rclone` copies files to. */
  readonly rclone: { readonly place: string | undefined; readonly configFile: string | undefined };
  /** What a VM is named by that is given without a kind. */
  readonly lookup: SettingValues['lookup'];
  readonly retries: RetrySettings;
  /** Ways to tell how jobs end, by their names. */
  readonly channels: Readonly<Record<string, Channel>>;
  /** Those of everthaw.yaml; which of them run, the server knows (everthaw jobs apply). */
  readonly jobs: readonly JobDefinition[];
  /** By whose clocks hours, days and so on begin. */
  readonly timeZone: string;
  /** For the programs of the console, out of backuptools.conf (F4). */
  readonly console: Pick<
    SettingValues,
    | 'vmNameCache'
    | 'tempDirectory'
    | 'restoreDatastore'
    | 'restoreHost'
    | 'restoreResourcePool'
    | 'restoreFolder'
  >;
}

/** @throws EverthawError WrongUsage with all that is wrong in flags, environment and files */
export function readSettings(env: NodeJS.ProcessEnv = process.env, told: Told = {}): Settings {
  const sources = readSources(env, told);
  if (sources.problems.length > 0) throw problemsError(sources.problems);
  return settingsOf(valuesOf(sources, env), sources, env);
}

/** A setting's value, and who said so. */
export interface Origin {
  readonly setting: SettingName;
  readonly value: Value | undefined;
  /** `flag --port`, `environment variable EVERTHAW_PORT`, `/etc/everthaw/everthaw.yaml:3`, `default` or `not given`. */
  readonly from: string;
}

/** Every setting's value, and where it comes from. */
export function originsOf(sources: Pick<Sources, 'written'>, env: NodeJS.ProcessEnv): readonly Origin[] {
  return SETTING_NAMES.map((setting) => {
    const found = sources.written.find((each) => each.setting === setting);
    if (found !== undefined) return { setting, value: found.value, from: found.from };
    const { default: usual } = declarationOf(setting);
    if (usual === undefined) return { setting, value: undefined, from: 'not given' };
    return { setting, value: typeof usual === 'function' ? usual(env) : usual, from: 'default' };
  });
}

function valuesOf(sources: Sources, env: NodeJS.ProcessEnv): SettingValues {
  // Each value was read by its own kind.
  return Object.fromEntries(
    originsOf(sources, env).map(({ setting, value }) => [setting, value]),
  ) as unknown as SettingValues;
}

function settingsOf(values: SettingValues, sources: Sources, env: NodeJS.ProcessEnv): Settings {
  const { password, passwordFile } = passwordOf(sources);
  return {
    version: packageVersion(),
    configFile: sources.configFile,
    warnings: sources.warnings,
    stateDirectory: resolve(values.stateDirectory),
    cacheDirectory: resolve(values.cacheDirectory),
    temporal: {
      address: values.temporalAddress,
      namespace: values.temporalNamespace,
      program: values.temporalProgram,
      path: env['PATH'] ?? '',
    },
    proxy: values.proxy,
    logLevel: values.logLevel,
    maximumSnapshotAgeMs: values.maximumSnapshotAgeS * 1000,
    mostMountedVolumes: values.mostMountedVolumes,
    snapshotLimits: {
      perDatastore: values.mostSnapshotsPerDatastore,
      perHost: values.mostSnapshotsPerHost,
      perProxy: values.mostSnapshotsPerProxy,
    },
    sweepEveryMs: values.sweepEveryS * 1000,
    offlineAfterMs: values.offlineAfterS * 1000,
    metricsAddress: values.metricsAddress,
    host: {
      address: sources.host?.address,
      port: values.port,
      username: values.username,
      password,
      passwordFile,
      thumbprint: values.thumbprint,
      caFile: values.caFile,
      verifyCertificate: values.verifyCertificate === '1',
      datastoreFloorBytes:
        values.datastoreFloorMib === undefined ? undefined : values.datastoreFloorMib * MIB,
      // It was read by its kind.
      datastores: JSON.parse(values.datastores) as Record<string, string>,
    },
    libvirt: {
      pointInTime: values.pointInTime,
      scratchDirectory: values.scratchDirectory,
      socketDirectory: values.socketDirectory,
      nbdTransport: values.nbdTransport,
      nbdCertificates: values.nbdCertificates,
      nbdAddress: values.nbdAddress,
      nbdPort: values.nbdPort,
      scratchFloorBytes: values.scratchFloorMib * MIB,
      freezeUnguarded: values.freezeUnguarded,
      scriptTimeoutMs: values.scriptTimeoutS * 1000,
      switchSeconds: values.freezeSeconds,
    },
    backup: {
      root: values.root,
      transport: values.transport,
      diskFormat: values.diskFormat,
      quiesce: values.quiesce,
      snapshotPolicy: values.snapshotPolicy,
      preexistingSnapshot: values.preexistingSnapshot,
      preexistingMountPoint: values.preexistingMountPoint,
    },
    restic: {
      place: values.resticRepository,
      passwordFile: values.resticPasswordFile,
      environmentFile: values.resticEnvironmentFile,
    },
    rclone: { place: values.rcloneDestination, configFile: values.rcloneConfigFile },
    lookup: values.lookup,
    retries: { maximumRetries: values.retries, backoffMs: values.backoff * 1000 },
    timeZone: values.timeZone,
    channels: sources.channels,
    jobs: sources.jobs.map((job) => job(values)),
    console: {
      vmNameCache: values.vmNameCache,
      tempDirectory: values.tempDirectory,
      restoreDatastore: values.restoreDatastore,
      restoreHost: values.restoreHost,
      restoreResourcePool: values.restoreResourcePool,
      restoreFolder: values.restoreFolder,
    },
  };
}

/** Of a password and a file that holds one, what was said with more weight; said at once, the password. */
function passwordOf({
  written,
}: Pick<Sources, 'written'>): Pick<Settings['host'], 'password' | 'passwordFile'> {
  const found = written.find(({ setting }) => setting === 'password' || setting === 'passwordFile');
  if (found?.setting === 'passwordFile') return { password: undefined, passwordFile: String(found.value) };
  return {
    password: found === undefined ? undefined : new Secret(String(found.value)),
    passwordFile: undefined,
  };
}

/** This process's environment with changes, for a child. */
export function environmentWith(changes: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return { ...process.env, ...changes };
}

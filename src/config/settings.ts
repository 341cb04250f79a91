import { readFileSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const DEFAULT_MAXIMUM_SNAPSHOT_AGE_MS = 24 * 3600 * 1000;

/** What the process is told from outside; this file is the only reader of the environment. */
export interface Settings {
  readonly version: string;
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
  /** How often this proxy's worker has it swept; 0: never. */
  readonly sweepEveryMs: number;
  /** After so long without its server, what runs of this proxy hold is let go without one. */
  readonly offlineAfterMs: number;
  /** Where the worker serves its metrics, as 127.0.0.1:9464. */
  readonly metricsAddress: string | undefined;
  /** VMNAMECACHE (F4): which VM was seen with which address; in the state directory if not given. */
  readonly vmNameCache: string | undefined;
  readonly host: {
    readonly address: string | undefined;
    readonly port: string;
    readonly username: string | undefined;
    readonly password: string | undefined;
    readonly thumbprint: string | undefined;
    readonly caFile: string | undefined;
    /** vSphere: below this much room on one of the VM's datastores a backup is not begun, and given up. */
    readonly datastoreFloorMib: string | undefined;
  };
  /** How to work with a libvirt host, as it was given: src/hosts/libvirt/settings.ts says what is allowed. */
  readonly libvirt: {
    readonly pointInTime: string | undefined;
    readonly scratchDirectory: string | undefined;
    readonly nbdTransport: string | undefined;
    readonly nbdCertificates: string | undefined;
    readonly nbdAddress: string | undefined;
    readonly nbdPort: string | undefined;
    readonly scratchFloorMib: string | undefined;
    readonly freezeUnguarded: string | undefined;
    readonly scriptTimeoutS: string | undefined;
    readonly freezeSeconds: string | undefined;
  };
}

export function readSettings(env: NodeJS.ProcessEnv = process.env): Settings {
  const home = homedir();
  return {
    version: packageVersion(),
    stateDirectory: resolve(
      env['EVERTHAW_STATE'] ?? join(env['XDG_STATE_HOME'] ?? join(home, '.local', 'state'), 'everthaw'),
    ),
    cacheDirectory: resolve(
      env['EVERTHAW_CACHE'] ?? join(env['XDG_CACHE_HOME'] ?? join(home, '.cache'), 'everthaw'),
    ),
    temporal: {
      address: env['TEMPORAL_ADDRESS'],
      namespace: env['TEMPORAL_NAMESPACE'] ?? 'default',
      program: env['EVERTHAW_TEMPORAL'],
      path: env['PATH'] ?? '',
    },
    proxy: env['EVERTHAW_PROXY'] ?? hostname(),
    logLevel: env['EVERTHAW_LOG_LEVEL'] ?? 'info',
    maximumSnapshotAgeMs:
      Number(env['EVERTHAW_MAXIMUM_SNAPSHOT_AGE_S'] ?? DEFAULT_MAXIMUM_SNAPSHOT_AGE_MS / 1000) * 1000,
    sweepEveryMs: Number(env['EVERTHAW_SWEEP_EVERY_S'] ?? 300) * 1000,
    offlineAfterMs: Number(env['EVERTHAW_OFFLINE_AFTER_S'] ?? 900) * 1000,
    metricsAddress: env['EVERTHAW_METRICS_ADDRESS'],
    vmNameCache: env['EVERTHAW_VM_NAME_CACHE'],
    host: {
      address: env['EVERTHAW_HOST'],
      port: env['EVERTHAW_PORT'] ?? '443',
      username: env['EVERTHAW_USERNAME'],
      password: env['EVERTHAW_PASSWORD'],
      thumbprint: env['EVERTHAW_THUMBPRINT'],
      caFile: env['EVERTHAW_CA_FILE'],
      datastoreFloorMib: env['EVERTHAW_DATASTORE_FLOOR_MIB'],
    },
    libvirt: {
      pointInTime: env['EVERTHAW_POINT_IN_TIME'],
      scratchDirectory: env['EVERTHAW_SCRATCH_DIRECTORY'],
      nbdTransport: env['EVERTHAW_NBD_TRANSPORT'],
      nbdCertificates: env['EVERTHAW_NBD_CERTIFICATES'],
      nbdAddress: env['EVERTHAW_NBD_ADDRESS'],
      nbdPort: env['EVERTHAW_NBD_PORT'],
      scratchFloorMib: env['EVERTHAW_SCRATCH_FLOOR_MIB'],
      freezeUnguarded: env['EVERTHAW_FREEZE_UNGUARDED'],
      scriptTimeoutS: env['EVERTHAW_SCRIPT_TIMEOUT_S'],
      freezeSeconds: env['EVERTHAW_FREEZE_SECONDS'],
    },
  };
}

function packageVersion(): string {
  const file = fileURLToPath(new URL('../../../package.json', import.meta.url));
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** This process's environment with changes, for a child. */
export function environmentWith(changes: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return { ...process.env, ...changes };
}

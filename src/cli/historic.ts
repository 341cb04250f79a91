import { Command } from 'commander';
import type { Settings } from '../config/settings.js';
import { addPlaceDefaults, type PlaceFlags, type RestoreFlags } from './restore.js';
import { addCleanupFlags, runCleanup, type CleanupFlags } from './cleanup.js';

interface HistoricFlags {
  readonly host?: string;
  readonly user?: string;
  readonly password?: string;
}

/** Flags of every program of VCB (F11). `-h` is the host there, so help has its long name only. */
function historic(name: string): Command {
  return new Command(name)
    .helpOption('--help', 'show this help')
    .option('-h, --host <address>', 'the host (or EVERTHAW_HOST)')
    .option('-u, --user <name>', 'the backup user (or EVERTHAW_USERNAME)')
    .option('-p, --password <password>', 'its password: better EVERTHAW_PASSWORD, for others see this one');
}

/** `vcbCleanup`: everthaw cleanup by its historic name. */
export function vcbCleanup(settings: Settings): Command {
  return addCleanupFlags(historic('vcbCleanup')).action((flags: CleanupFlags & HistoricFlags) =>
    runCleanup(withLogin(settings, flags), flags),
  );
}

/** `post-command`: ends the run of one VM and lets go of all that it left. */
export function postCommand(settings: Settings): Command {
  return historic('post-command')
    .description('cancel the living run of a VM, wait until it has let go, and clean up after it')
    .argument(
      '<install path>',
      'its configuration is not read yet: the host is taken from flags and environment',
    )
    .argument('<vm>')
    .option('--json', 'one JSON object a line', false)
    .action(async (_installPath: string, vm: string, flags: HistoricFlags & { json: boolean }) => {
      const { letGoOfVm } = await import('./letGoOfVm.js');
      await letGoOfVm(withLogin(settings, flags), vm, flags.json);
    });
}

/** Flags that vcbRestore and vcbResAll share. */
interface HistoricRestoreFlags extends HistoricFlags, Omit<PlaceFlags, 'catalog' | 'existing'> {
  readonly s: string;
  readonly a?: string;
  readonly b: string;
  readonly powerOn: boolean;
}

/** `vcbRestore`: restores one VM. */
export function vcbRestore(settings: Settings): Command {
  return historicRestore('vcbRestore', 'restore a VM from a backup directory').action(
    async (flags: HistoricRestoreFlags) => {
      const { runRestore } = await import('./runRestore.js');
      await runRestore(withLogin(settings, flags), flags.s, restoreFlags(flags));
    },
  );
}

/** `vcbResAll`: restores every backup below a directory. */
export function vcbResAll(settings: Settings): Command {
  return historicRestore('vcbResAll', 'restore every backup below a directory, one after the other').action(
    async (flags: HistoricRestoreFlags) => {
      const { restoreAll } = await import('./restoreAll.js');
      await restoreAll(withLogin(settings, flags), flags.s, restoreFlags(flags));
    },
  );
}

function historicRestore(name: string, description: string): Command {
  return addPlaceDefaults(
    historic(name)
      .description(description)
      .requiredOption('-s <source>', 'directory')
      .option('-a <catalog>', 'an edited copy of a catalog')
      .option('-b <what>', 'what is done with what exists: prompt, overwrite, keep or abort', 'prompt')
      .option('--power-on', 'power it on when it is whole', false)
      .option('--json', 'one JSON object a line', false),
  );
}

function restoreFlags({ a, b, ...flags }: HistoricRestoreFlags & { readonly json?: boolean }): RestoreFlags {
  const { dsPath, vmHost, resourcePool, folderPath, powerOn, json = false } = flags;
  return {
    ...(a === undefined ? {} : { catalog: a }),
    ...(dsPath === undefined ? {} : { dsPath }),
    ...(vmHost === undefined ? {} : { vmHost }),
    ...(resourcePool === undefined ? {} : { resourcePool }),
    ...(folderPath === undefined ? {} : { folderPath }),
    ...{ existing: b, overwrite: false, powerOn, newAddresses: false },
    ...{ retries: '0', backoff: '10', json, detach: false },
  };
}

function withLogin(settings: Settings, { host, user, password }: HistoricFlags): Settings {
  if (password !== undefined)
    console.error(
      'warning: the password after -p is visible in the process list; set EVERTHAW_PASSWORD instead',
    );
  return {
    ...settings,
    host: {
      ...settings.host,
      address: host ?? settings.host.address,
      username: user ?? settings.host.username,
      password: password ?? settings.host.password,
    },
  };
}

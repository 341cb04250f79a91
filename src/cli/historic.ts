import { Command } from 'commander';
import type { Settings } from '../config/settings.js';
import { VM_SPEC_FORMS } from '../domain/vmSpec.js';
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

/** `vcbVmName`: tells which VMs a spec names. */
export function vcbVmName(settings: Settings): Command {
  return historic('vcbVmName')
    .description('print moref, name, uuid and address of each VM that a spec names')
    .requiredOption('-s, --spec <spec>', VM_SPEC_FORMS)
    .option('--json', 'one JSON object a line', false)
    .action(async (flags: HistoricFlags & { spec: string; json: boolean }) => {
      const { listVmNames } = await import('./listVms.js');
      await listVmNames(withLogin(settings, flags), flags.spec, { json: flags.json });
    });
}

/** `vcbUtil -c`: lists places to restore to. */
export function vcbUtil(settings: Settings): Command {
  return historic('vcbUtil')
    .description('list places to restore to')
    .requiredOption('-c, --command <kind>', 'vmfolders, resourcepools or datastores')
    .option('--json', 'one JSON object a line', false)
    .action(async (flags: HistoricFlags & { command: string; json: boolean }) => {
      const { listPlaces } = await import('./listPlaces.js');
      await listPlaces(withLogin(settings, flags), flags.command, { json: flags.json });
    });
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

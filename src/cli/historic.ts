import { Argument, Command } from 'commander';
import { addCleanupFlags, runCleanup, type CleanupFlags } from './cleanup.js';
import { settingsReader } from './readSettings.js';

const readSettings = settingsReader();

/** Flags of every program of VCB (F11). `-h` is the host there, so help has its long name only. */
function historic(name: string): Command {
  return new Command(name)
    .helpOption('--help', 'show this help')
    .option('-h, --host <address>', 'the host (or EVERTHAW_HOST)')
    .option('-u, --username <name>', 'the backup user (or EVERTHAW_USERNAME)')
    .option(
      '-p, --password <password>',
      'its password: better EVERTHAW_PASSWORD or EVERTHAW_PASSWORD_FILE, for others see this one',
    );
}

/** `vcbCleanup`: everthaw cleanup by its historic name. */
export function vcbCleanup(): Command {
  return addCleanupFlags(historic('vcbCleanup')).action(async (flags: CleanupFlags) =>
    runCleanup(await readSettings(flags, { isConsole: true }), flags),
  );
}

/** `pre-command`: the part before the job of other backup software. */
export function preCommand(): Command {
  return historic('pre-command')
    .description('export a VM for other backup software, print the directory, and keep it until post-command')
    .argument('<install path>', 'its config/config.js says which host, where to, and how VMs are named')
    .argument('<vm>')
    .addArgument(new Argument('[kind]', 'what is exported').choices(['image', 'file']).default('image'))
    .option('--json', 'one JSON object a line', false)
    .action(async (installPath: string, vm: string, kind: 'image' | 'file', flags: { json: boolean }) => {
      const settings = await readSettings(flags, { installPath });
      const { exportVm } = await import('./exportVm.js');
      await exportVm(settings, vm, kind, flags.json);
    });
}

/** `post-command`: ends the run of one VM and lets go of all that it left. */
export function postCommand(): Command {
  return historic('post-command')
    .description('end the living run of a VM, wait until it has let go, and clean up after it')
    .argument('<install path>', 'its config/config.js says which host, and how VMs are named')
    .argument('<vm>')
    .option('--json', 'one JSON object a line', false)
    .action(async (installPath: string, vm: string, flags: { json: boolean }) => {
      const settings = await readSettings(flags, { installPath });
      const { letGoOfVm } = await import('./letGoOfVm.js');
      await letGoOfVm(settings, vm, flags.json);
    });
}

import { Argument, Command, Option } from 'commander';
import { EverthawError } from '../domain/errors.js';
import { VM_SPEC_FORMS } from '../domain/vmSpecForms.js';
import { addPlaceDefaults, EXISTING, type RestoreFlags } from './restore.js';
import { addCleanupFlags, runCleanup, type CleanupFlags } from './cleanup.js';
import { settingsReader } from './readSettings.js';
import { addSeriesFlags, type SeriesFlags } from './runFlags.js';
import { offering } from './values.js';

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
  return addCleanupFlags(historic('vcbCleanup'))
    .addHelpText('after', '\nExample:\n  vcbCleanup -y -h vc.example.com -u backup')
    .action(async (flags: CleanupFlags) => runCleanup(await readSettings(flags, { isConsole: true }), flags));
}

/** `pre-command`: the part before the job of other backup software. */
export function preCommand(): Command {
  return historic('pre-command')
    .description(
      'export a VM for other backup software, or mount its volumes, print the directory, and keep it until post-command',
    )
    .argument('<install path>', 'its config/config.js says which host, where to, and how VMs are named')
    .argument('<vm>')
    .addHelpText('after', '\nExample:\n  pre-command /opt/vcb db1.example.com image')
    .addArgument(new Argument('[kind]', 'what is exported').choices(['image', 'file']).default('image'))
    .option('--json', 'one JSON object a line', false)
    .action(async (installPath: string, vm: string, kind: 'image' | 'file', flags: { json: boolean }) => {
      const settings = await readSettings(flags, { installPath });
      const { handOver } = await import('./handOver.js');
      await handOver(settings, vm, { kind, json: flags.json });
    });
}

/** `vcbVmName`: tells which VMs a spec names. */
export function vcbVmName(): Command {
  return historic('vcbVmName')
    .description('print moref, name, uuid and address of each VM that a spec names')
    .requiredOption('-s, --spec <spec>', VM_SPEC_FORMS)
    .addHelpText('after', '\nExample:\n  vcbVmName -h vc.example.com -u backup -s name:db1')
    .option('--json', 'one JSON object a line', false)
    .action(async (flags: { spec: string; json: boolean }) => {
      const settings = await readSettings(flags, { isConsole: true });
      const { listVmNames } = await import('./listVms.js');
      await listVmNames(settings, flags.spec, flags.json);
    });
}

/** `vcbUtil -c`: lists places to restore to. */
export function vcbUtil(): Command {
  return historic('vcbUtil')
    .description('list places to restore to')
    .requiredOption('-c, --command <kind>', 'vmfolders, resourcepools or datastores')
    .addHelpText('after', '\nExample:\n  vcbUtil -h vc.example.com -u backup -c datastores')
    .option('--json', 'one JSON object a line', false)
    .action(async (flags: { command: string; json: boolean }) => {
      const settings = await readSettings(flags, { isConsole: true });
      const { listPlaces } = await import('./listPlaces.js');
      await listPlaces(settings, flags.command, flags.json);
    });
}

/** Flags that vcbRestore and vcbResAll share. */
interface HistoricRestoreFlags {
  readonly s: string;
  readonly a?: string;
  readonly b: string;
  readonly powerOn: boolean;
  readonly json: boolean;
}

/** `vcbRestore`: restores one VM. */
export function vcbRestore(): Command {
  return historicRestore('vcbRestore', 'restore a VM from a backup directory', '/backups/db1-fullVM').action(
    async (flags: HistoricRestoreFlags) => {
      const settings = await readSettings(flags, { isConsole: true });
      const { runRestore } = await import('./runRestore.js');
      await runRestore(settings, flags.s, restoreFlags(flags));
    },
  );
}

/** `vcbResAll`: restores every backup below a directory. */
export function vcbResAll(): Command {
  return historicRestore(
    'vcbResAll',
    'restore every backup below a directory, one after the other',
    '/backups',
  ).action(async (flags: HistoricRestoreFlags) => {
    const settings = await readSettings(flags, { isConsole: true });
    const { restoreAll } = await import('./restoreAll.js');
    await restoreAll(settings, flags.s, restoreFlags(flags));
  });
}

function historicRestore(name: string, description: string, example: string): Command {
  return addPlaceDefaults(
    historic(name)
      .description(description)
      .requiredOption('-s <source>', 'directory, or scp://user@host:/path')
      .addHelpText('after', `\nExample:\n  ${name} -h vc.example.com -u backup -s ${example}`)
      .option('-a <catalog>', 'an edited copy of a catalog')
      .addOption(
        offering(new Option('-b <what>', 'what is done with what exists').default('prompt'), EXISTING),
      )
      .option('--power-on', 'power it on when it is whole', false)
      .option('--json', 'one JSON object a line', false),
  );
}

function restoreFlags({ a, b, powerOn, json }: HistoricRestoreFlags): RestoreFlags {
  return {
    ...(a === undefined ? {} : { catalog: a }),
    ...{ existing: b, overwrite: false, powerOn, newAddresses: false },
    ...{ json, detach: false },
  };
}

/** Flags that vcbMounter and vcbSnapAll share. */
interface HistoricBackupFlags {
  readonly a: string;
  readonly r: string;
  readonly m?: string;
  readonly json: boolean;
}

interface MounterFlags extends Omit<HistoricBackupFlags, 'a'> {
  readonly a?: string;
  readonly t: string;
  readonly c?: string;
  readonly U?: true;
}

/** `vcbMounter`: backs up one VM, or ends what stands in a directory for other software. */
export function vcbMounter(): Command {
  return historicBackup('vcbMounter', 'back up a VM, image-level; mount its volumes; or unmount')
    .option('-a <spec>', VM_SPEC_FORMS)
    .requiredOption('-r <directory>', 'the backup’s directory; its parent must exist')
    .option('-U', 'unmount: end what stands in the directory of -r, and let go of what a dead run left there')
    .addOption(
      new Option('-t <kind>', 'fullvm: its disks are backed up; file: its volumes are mounted, until -U')
        .choices(['fullvm', 'file'])
        .default('fullvm'),
    )
    .option('-c <file>', 'VMNAMECACHE: file that remembers which VM had which address')
    .addHelpText(
      'after',
      '\nExample:\n  vcbMounter -h vc.example.com -u backup -a name:db1 -r /backups/db1\n  vcbMounter -U -r /mnt/db1-fullVM',
    )
    .action(async (flags: MounterFlags) => {
      const settings = await readBackupSettings(flags);
      if (flags.U === true) {
        const { unmount } = await import('./unmount.js');
        await unmount(settings, flags.r, flags.json);
        return;
      }
      if (flags.a === undefined) throw whichVm();
      const vmNameCache = flags.c ?? settings.console.vmNameCache;
      const console = { ...settings.console, ...(vmNameCache === undefined ? {} : { vmNameCache }) };
      if (flags.t === 'file') {
        const { handOver } = await import('./handOver.js');
        await handOver({ ...settings, console }, flags.a, {
          kind: 'file',
          directory: flags.r,
          json: flags.json,
        });
        return;
      }
      const { runBackup } = await import('./runBackup.js');
      await runBackup({ ...settings, console }, flags.a, { to: flags.r, json: flags.json, detach: false });
    });
}

function whichVm(): EverthawError {
  return new EverthawError({
    code: 'WrongUsage',
    what: 'back up a VM',
    why: 'which one is not given',
    hint: 'give -a <spec>, or -U to unmount',
  });
}

/** `vcbSnapAll`: backs up each VM that a spec names. */
export function vcbSnapAll(): Command {
  return addSeriesFlags(historicBackup('vcbSnapAll', 'back up each VM that a spec names'))
    .requiredOption('-a <spec>', VM_SPEC_FORMS)
    .requiredOption('-r <directory>', 'each gets a directory of its own below it; it must exist')
    .addHelpText('after', '\nExample:\n  vcbSnapAll -h vc.example.com -u backup -a any: -r /backups')
    .action(async (flags: HistoricBackupFlags & SeriesFlags) => {
      const settings = await readBackupSettings(flags);
      const { backupAll } = await import('./backupAll.js');
      const { json, parallel } = flags;
      await backupAll(settings, flags.a, flags.r, { json, parallel, detach: false });
    });
}

function historicBackup(name: string, description: string): Command {
  return historic(name)
    .description(description)
    .option('-m <mode>', 'transport mode: nbdssl or nbd (default: the configuration’s)')
    .option('--json', 'one JSON object a line', false);
}

function readBackupSettings(flags: Pick<HistoricBackupFlags, 'm'>): ReturnType<typeof readSettings> {
  const transport = flags.m === undefined ? {} : { transport: flags.m };
  return readSettings({ ...flags, ...transport }, { isConsole: true });
}

/** `post-command`: ends the run of one VM and lets go of all that it left. */
export function postCommand(): Command {
  return historic('post-command')
    .description('end the living run of a VM, wait until it has let go, and clean up after it')
    .argument('<install path>', 'its config/config.js says which host, and how VMs are named')
    .argument('<vm>')
    .addHelpText('after', '\nExample:\n  post-command /opt/vcb db1.example.com')
    .option('--json', 'one JSON object a line', false)
    .action(async (installPath: string, vm: string, flags: { json: boolean }) => {
      const settings = await readSettings(flags, { installPath });
      const { letGoOfVm } = await import('./letGoOfVm.js');
      await letGoOfVm(settings, vm, flags.json);
    });
}

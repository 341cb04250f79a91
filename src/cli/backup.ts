import type { Command } from 'commander';
import type { Settings } from '../config/settings.js';
import { addRunFlags, type RunFlags } from './runFlags.js';

export interface BackupFlags extends RunFlags {
  readonly to?: string;
  readonly root?: string;
  readonly transport?: string;
  readonly diskFormat?: string;
  readonly quiesce: string;
  readonly snapshotPolicy: string;
  readonly preexistingSnapshot: string;
  readonly preexistingMountPoint: string;
}

export function addBackup(program: Command, settings: Settings): void {
  const command = program
    .command('backup')
    .description('back up a VM, image-level')
    .argument('<vm>', 'name:<name>, ipaddr:<address>, uuid:<bios uuid>, moref:<id>, or a name')
    .option('--to <directory>', 'the backup’s directory; its parent must exist')
    .option('--root <directory>', 'BACKUPROOT: the backup goes to <root>/<vm>-fullVM')
    .option(
      '--transport <mode>',
      'vSphere: nbdssl:lease (default), nbdssl:datastore; libvirt: nbd:export, or nbdssl:export with --nbd-transport tls',
    )
    .option('--disk-format <format>', 'libvirt: qcow2 (default), vmdk or raw')
    .option('--quiesce <how>', 'required, preferred (else crash-consistent) or none', 'required')
    .option(
      '--snapshot-policy <policy>',
      'automatic; manual: use the existing _VCB_BACKUP_ and leave it; createonly: leave the one that is taken; deleteonly: use the existing one, then remove it',
      'automatic',
    )
    .option(
      '--preexisting-snapshot <what>',
      'what is done with a snapshot _VCB_BACKUP_ that is there already, whoever made it: fail or delete',
      'fail',
    )
    .option(
      '--preexisting-mount-point <what>',
      'delete: first let go of what dead runs left of this VM, unfinished directories and snapshots; fail: leave it to the sweeper',
      'fail',
    )
    .addHelpText(
      'after',
      '\nExample:\n  everthaw backup name:db1 --root /backups --host vc.example.com --username backup --password-file pw --ca-file ca.pem',
    );
  addRunFlags(command).action(async (vm: string, flags: BackupFlags) => {
    const { runBackup } = await import('./runBackup.js');
    await runBackup(settings, vm, flags);
  });
}

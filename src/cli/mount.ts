import type { Command } from 'commander';
import { VM_SPEC_FORMS } from '../domain/vmSpecForms.js';
import type { ReadSettings } from './readSettings.js';
import { addRunFlags, type RunFlags } from './runFlags.js';
import { addSettingFlags } from './settingFlags.js';

interface MountFlags extends RunFlags {
  readonly to?: string;
  readonly installPath?: string;
}

/** A VM's volumes for other software: `pre-command … file` and `vcbMounter -U`, by today's names. */
export function addMount(program: Command, readSettings: ReadSettings): void {
  const mount = program
    .command('mount')
    .description('mount a VM’s volumes, read-only, as of a snapshot, until everthaw unmount')
    .argument('<vm>', `${VM_SPEC_FORMS}, or a name`)
    .option('--to <directory>', 'where; its parent must exist (default: below the root, by the VM’s name)')
    .option('--install-path <directory>', 'take what is not said here from its config/config.js')
    .addHelpText(
      'after',
      '\nExample:\n  everthaw mount name:db1 --to /mnt/db1 --host vc.example.com --username backup --password-file pw --ca-file ca.pem',
    );
  addSettingFlags(
    mount,
    ...(['root', 'transport', 'quiesce'] as const),
    ...(['snapshotPolicy', 'preexistingSnapshot', 'preexistingMountPoint'] as const),
  );
  addRunFlags(mount).action(async (vm: string, { to, installPath, json, detach, ...flags }: MountFlags) => {
    const settings = await readSettings(flags, { installPath });
    const { handOver } = await import('./handOver.js');
    const where = to === undefined ? {} : { directory: to };
    await handOver(settings, vm, { kind: 'file', json, detach, ...where });
  });

  program
    .command('unmount')
    .description('end what stands in a directory for other software: volumes, or an export')
    .argument('<directory>', 'as everthaw mount or pre-command printed it')
    .option('--json', 'one JSON object a line', false)
    .addHelpText('after', '\nExample:\n  everthaw unmount /mnt/db1')
    .action(async (directory: string, { json }: { json: boolean }) => {
      const { unmount } = await import('./unmount.js');
      await unmount(await readSettings(), directory, json);
    });
}

import type { Command } from 'commander';

/** Commands on backups that are there: they read directories, and need no host and no server. */
export function addPointCommands(program: Command): void {
  program
    .command('list')
    .description('list the backups below directories: VM, time, kind, consistency, size, host')
    .argument('<directory...>', 'directories, or scp://user@host:/path')
    .addHelpText('after', '\nExample:\n  everthaw list /backups')
    .option('--json', 'one JSON object a line', false)
    .action(async (directories: readonly string[], { json }: { json: boolean }) => {
      const { listPoints } = await import('./listPoints.js');
      await listPoints(directories, json);
    });

  program
    .command('show')
    .description('show everything that is known of a backup')
    .argument('<backup>', 'its directory, or scp://user@host:/path')
    .addHelpText('after', '\nExample:\n  everthaw show /backups/db1-fullVM')
    .option('--json', 'as one JSON object', false)
    .action(async (directory: string, { json }: { json: boolean }) => {
      const { showPoint } = await import('./showPoint.js');
      await showPoint(directory, json);
    });

  program
    .command('verify')
    .description('hash every file of backups and open every disk; exit code 1 if any is bad')
    .argument('<backup...>', 'their directories, or scp://user@host:/path')
    .addHelpText('after', '\nExample:\n  everthaw verify /backups/db1-fullVM')
    .option('--json', 'one JSON object a line', false)
    .action(async (directories: readonly string[], { json }: { json: boolean }) => {
      const { verifyPoints } = await import('./verifyPoints.js');
      await verifyPoints(directories, json);
    });

  program
    .command('protect')
    .description('keep a backup from being forgotten, whatever the rules say')
    .argument('<backup>', 'its directory, or scp://user@host:/path')
    .requiredOption('--reason <text>', 'why, for those who come after')
    .addHelpText('after', '\nExample:\n  everthaw protect /backups/db1-fullVM --reason "before the upgrade"')
    .option('--json', 'as one JSON object', false)
    .action(async (directory: string, { reason, json }: { reason: string; json: boolean }) => {
      const { protect } = await import('./protectPoint.js');
      await protect(directory, reason, json);
    });

  program
    .command('unprotect')
    .description('take that back')
    .argument('<backup>', 'its directory, or scp://user@host:/path')
    .addHelpText('after', '\nExample:\n  everthaw unprotect /backups/db1-fullVM')
    .option('--json', 'as one JSON object', false)
    .action(async (directory: string, { json }: { json: boolean }) => {
      const { unprotect } = await import('./protectPoint.js');
      await unprotect(directory, json);
    });
}

import type { Command } from 'commander';
import type { ReadSettings } from './readSettings.js';
import { addHostFlags } from './settingFlags.js';

/** `everthaw places`: where VMs can be restored to. */
export function addPlaces(program: Command, readSettings: ReadSettings): void {
  addHostFlags(
    program
      .command('places')
      .description(
        'list places to restore to: vmfolders, resourcepools, datastores, networks; all if none is said',
      )
      .argument('[kind]')
      .option('--json', 'one JSON object a line', false),
  ).action(async (kind: string | undefined, flags: { json: boolean }) => {
    const { listPlaces } = await import('./listPlaces.js');
    await listPlaces(await readSettings(flags), kind, flags.json);
  });
}

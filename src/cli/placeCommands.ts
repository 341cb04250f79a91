import { Argument, type Command } from 'commander';
import { PLACE_KINDS } from '../domain/place.js';
import type { ReadSettings } from './readSettings.js';
import { addHostFlags } from './settingFlags.js';
import { offering } from './values.js';

/** `everthaw places`: where VMs can be restored to. */
export function addPlaces(program: Command, readSettings: ReadSettings): void {
  addHostFlags(
    program
      .command('places')
      .description('list places to restore to; of every kind if none is said')
      .addArgument(offering(new Argument('[kind]', 'of places'), PLACE_KINDS))
      .addHelpText('after', '\nExample:\n  everthaw places datastores')
      .option('--json', 'one JSON object a line', false),
  ).action(async (kind: string | undefined, flags: { json: boolean }) => {
    const { listPlaces } = await import('./listPlaces.js');
    await listPlaces(await readSettings(flags), kind, flags.json);
  });
}

import type { Command } from 'commander';
import type { Settings } from '../config/settings.js';
import { addHostFlags, type HostFlags } from './hostFlags.js';

/** `everthaw places`: where VMs can be restored to. */
export function addPlaces(program: Command, settings: Settings): void {
  addHostFlags(
    program
      .command('places')
      .description(
        'list places to restore to: vmfolders, resourcepools, datastores, networks; all if none is said',
      )
      .argument('[kind]')
      .option('--json', 'one JSON object a line', false),
  ).action(async (kind: string | undefined, flags: HostFlags & { json: boolean }) => {
    const { listPlaces } = await import('./listPlaces.js');
    await listPlaces(settings, kind, flags);
  });
}

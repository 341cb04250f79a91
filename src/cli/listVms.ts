import type { Settings } from '../config/settings.js';
import { parseVmSpec } from '../domain/vmSpec.js';
import { accessHost } from './hostAccess.js';
import { Output } from './output.js';

export async function listVms(
  settings: Settings,
  vmText: string,
  flags: { readonly json: boolean },
): Promise<void> {
  const output = new Output(flags.json);
  const { host } = await accessHost(settings);
  try {
    for (const vm of await host.findVms(parseVmSpec(vmText, settings.lookup))) {
      output.result(vm, [
        'Found VM:',
        `moref:${vm.moref}`,
        `name:${vm.name}`,
        `uuid:${vm.biosUuid}`,
        `ipaddr:${vm.ipAddress ?? ''}`,
      ]);
    }
  } finally {
    await host.logout();
  }
}

import type { Settings } from '../config/settings.js';
import type { VmSummary } from '../domain/vm.js';
import { parseVmSpec } from '../domain/vmSpec.js';
import { findVms } from '../requests/findVms.js';
import { accessHost } from './accessHost.js';
import { formatTable } from './table.js';

const HEADINGS = ['STATE', 'MOREF', 'UUID', 'ADDRESS', 'FOLDER', 'NAME'] as const;

/** `everthaw vms`: a table of the VMs that a spec names. */
export function listVms(settings: Settings, spec: string, json: boolean): Promise<void> {
  return show(settings, spec, json, { folders: true }, (vms) =>
    formatTable(
      HEADINGS,
      vms.map((vm) => [
        vm.powerState,
        vm.moref,
        vm.biosUuid,
        vm.ipAddress ?? '-',
        onOneLine(vm.folderPath ?? '-'),
        onOneLine(vm.name),
      ]),
    ),
  );
}

/** `vcbVmName -s`: the same in the lines of old. */
export function listVmNames(settings: Settings, spec: string, json: boolean): Promise<void> {
  return show(settings, spec, json, {}, (vms) =>
    vms.flatMap((vm) => [
      'Found VM:',
      `moref:${vm.moref}`,
      `name:${onOneLine(vm.name)}`,
      `uuid:${vm.biosUuid}`,
      `ipaddr:${vm.ipAddress ?? ''}`,
    ]),
  );
}

async function show(
  settings: Settings,
  spec: string,
  json: boolean,
  detail: { readonly folders?: boolean },
  format: (vms: readonly VmSummary[]) => readonly string[],
): Promise<void> {
  const parsed = parseVmSpec(spec, settings.lookup);
  const { host } = await accessHost(settings);
  try {
    const vms = await findVms(settings, host, parsed, { ...detail, addresses: true });
    // One write: of thousands each would take longer than to ask the host.
    const lines = json ? vms.map((vm) => JSON.stringify(vm)) : format(vms);
    if (lines.length > 0) console.log(lines.join('\n'));
  } finally {
    await host.logout();
  }
}

/** A name may have line ends, and what is read by lines must not be misled by them. */
function onOneLine(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

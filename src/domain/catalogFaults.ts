import type { Catalog } from './catalog.js';
import type { Manifest } from './manifest.js';

/** Where a backup's catalog says something else than its manifest. What only one of them says is no contradiction. */
export function catalogFaults(catalog: Catalog, manifest: Manifest): readonly string[] {
  const { vm } = manifest;
  const said = new Map([
    ['display_name', vm.name],
    ['state', vm.powerState],
    ['host', vm.host],
    ['folderpath', vm.folderPath],
    ['resourcepool', vm.resourcePool],
    ['uuid.bios', vm.biosUuid],
    ['uuid.instance', vm.instanceUuid],
    ['consistency', manifest.consistency],
    ['timestamp', manifest.pointInTime],
    ...manifest.disks.flatMap(({ label, file, originalPath }): [string, string][] => [
      [`disk.${label}.diskname`, originalPath],
      [`disk.${label}.filename`, file],
    ]),
  ]);
  return [...said].flatMap(([key, value]) => {
    const found = catalog.get(key);
    if (found === value) return [];
    const instead = found === undefined ? 'nothing' : JSON.stringify(found);
    return [`catalog says ${instead} of ${key}, the manifest ${JSON.stringify(value)}`];
  });
}

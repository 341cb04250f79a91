import type { SettingDeclaration } from './declaration.js';
import { GIVEN, PATH } from './kinds.js';

/** Of the programs of the console (F4). */
export const CONSOLE_SETTINGS = {
  vmNameCache: {
    kind: PATH,
    what: 'VMNAMECACHE: file that remembers which VM had which address, so that a VM is found that is off',
    env: 'EVERTHAW_VM_NAME_CACHE',
    conf: 'VMNAMECACHE',
  },
  tempDirectory: {
    kind: PATH,
    what: 'TEMPDIR: room for a backup that is fetched over ssh while it is restored; else the system’s own',
    env: 'EVERTHAW_TEMPDIR',
    conf: 'TEMPDIR',
  },
  restoreDatastore: {
    kind: GIVEN,
    what: 'DSPATH: where VMs of ESX 2.5 backups are restored to, as `[oldvms] %VMNAME%`',
    env: 'EVERTHAW_DSPATH',
    flag: '--ds-path <path>',
    conf: 'DSPATH',
  },
  restoreHost: {
    kind: GIVEN,
    what: 'VMHOST: the host that such a VM is powered on at',
    env: 'EVERTHAW_VMHOST',
    flag: '--vm-host <name>',
    conf: 'VMHOST',
  },
  restoreResourcePool: {
    kind: GIVEN,
    what: 'RESOURCEPOOL: its resource pool; `%VMHOST%` stands for VMHOST',
    env: 'EVERTHAW_RESOURCEPOOL',
    flag: '--resource-pool <path>',
    conf: 'RESOURCEPOOL',
  },
  restoreFolder: {
    kind: GIVEN,
    what: 'FOLDERPATH: its folder',
    env: 'EVERTHAW_FOLDERPATH',
    flag: '--folder-path <path>',
    conf: 'FOLDERPATH',
  },
} as const satisfies Record<string, SettingDeclaration>;

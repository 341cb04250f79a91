import { join } from 'node:path';
import type { Settings } from './settings.js';

/** Where what lies in the state directory (docs/architecture.md). */
export function stateDirectories({ stateDirectory }: Pick<Settings, 'stateDirectory'>) {
  return {
    hosts: join(stateDirectory, 'hosts'),
    sessions: stateDirectory,
    holdings: join(stateDirectory, 'holdings'),
    workers: join(stateDirectory, 'workers'),
    volumes: join(stateDirectory, 'volumes'),
    mounted: join(stateDirectory, 'mounted'),
    slotsLock: join(stateDirectory, 'mount-slots.lock'),
    vmNames: join(stateDirectory, 'vm-names.json'),
    contact: join(stateDirectory, 'server.json'),
    daemon: join(stateDirectory, 'daemon'),
  };
}

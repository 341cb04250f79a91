import type { Host } from '../host.js';
import type { LibvirtSettings } from './settings.js';

export const LibvirtHost = {
  open(address: string, _settings: LibvirtSettings): Promise<Host> {
    return Promise.reject(new Error(`not there yet: ${address}`));
  },
};

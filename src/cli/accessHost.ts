import type { Settings } from '../config/settings.js';
import { openAccess, type HostAccess } from '../requests/hostAccess.js';
import { askPassword } from './askPassword.js';

/** Logs in to the host that the settings name, with a password that a person at the terminal may be asked for. */
export function accessHost(settings: Settings): Promise<HostAccess> {
  return openAccess(settings, process.stdin.isTTY ? askPassword : undefined);
}

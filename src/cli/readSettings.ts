import type { Settings } from '../config/settings.js';
import type { Told } from '../config/sources.js';

/** Reads the settings as a command was told them. @throws EverthawError WrongUsage with all that is wrong in them */
export type ReadSettings = (
  flags?: object,
  told?: Pick<Told, 'installPath' | 'isConsole'>,
) => Promise<Settings>;

/** `config` gives what `--config` named. What reads settings is loaded when a command wants them: help does not. */
export function settingsReader(config: () => string | undefined = () => undefined): ReadSettings {
  return async (flags = {}, told = {}) => {
    const { readSettings } = await import('../config/settings.js');
    const settings = readSettings(undefined, { ...told, flags, config: config() });
    for (const warning of settings.warnings) console.error(`warning: ${warning}`);
    return settings;
  };
}

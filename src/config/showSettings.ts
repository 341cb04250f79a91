import { originsOf } from './settings.js';
import { declarationOf } from './settingTable.js';
import { readSources, type Sources, type Told } from './sources.js';
import type { Value } from './written.js';

export interface ShownSetting {
  readonly setting: string;
  /** For people; a secret is `***`. */
  readonly value: string;
  /** For programs. */
  readonly given: Value | null;
  readonly from: string;
}

export interface ShownSettings extends Pick<Sources, 'problems' | 'warnings' | 'configFile'> {
  readonly settings: readonly ShownSetting[];
}

/** Each setting, its value, and where it comes from; secrets are not shown. */
export function showSettings(told: Told, env: NodeJS.ProcessEnv = process.env): ShownSettings {
  const { problems, warnings, configFile, ...sources } = readSources(env, told);
  const settings = originsOf(sources, env).map(({ setting, value, from }) => {
    const given =
      value !== undefined && declarationOf(setting).kind.is === 'secret' ? '***' : (value ?? null);
    return { setting, value: given === null ? '-' : String(given), given, from };
  });
  return { settings, problems, warnings, configFile };
}

import { BACKUP_SETTINGS } from './declarations/backup.js';
import { CONSOLE_SETTINGS } from './declarations/console.js';
import { HOST_SETTINGS } from './declarations/host.js';
import { LIBVIRT_HOST_SETTINGS } from './declarations/libvirt.js';
import { MODULE_SETTINGS } from './declarations/modules.js';
import { PROXY_SETTINGS } from './declarations/proxy.js';
import type { SettingDeclaration } from './declarations/declaration.js';
import type { ValueOf } from './kind.js';

/** Every setting that there is; what there is to say of one is said in its declaration alone. */
const SETTINGS = {
  ...PROXY_SETTINGS,
  ...HOST_SETTINGS,
  ...LIBVIRT_HOST_SETTINGS,
  ...BACKUP_SETTINGS,
  ...MODULE_SETTINGS,
  ...CONSOLE_SETTINGS,
} as const satisfies Record<string, SettingDeclaration>;

export type SettingName = keyof typeof SETTINGS;

type HasDefault<N extends SettingName> = (typeof SETTINGS)[N] extends { default: unknown } ? true : false;

/** The value of each setting; `undefined` where nobody gave one and there is no default. */
export type SettingValues = {
  readonly [N in SettingName]:
    ValueOf<(typeof SETTINGS)[N]['kind']> | (HasDefault<N> extends true ? never : undefined);
};

export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];

export function declarationOf(name: SettingName): SettingDeclaration {
  return SETTINGS[name];
}

/** A flag without its short form and its argument: `--ca-file`. */
export function longFlag(flag: string): string {
  return /--[\w-]+/.exec(flag)?.[0] ?? flag;
}

/** What commander calls a flag: `--ca-file <file>` is `caFile`. */
export function flagAttribute(flag: string): string {
  return longFlag(flag)
    .slice(2)
    .replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

import type { Kind } from '../kind.js';

/** One setting: all that there is to say of it is said here, and everything else is made from it. */
export interface SettingDeclaration {
  readonly kind: Kind;
  /** What it is, in the words of its user. */
  readonly what: string;
  readonly env?: string;
  /** As commander takes it; its long name, in camel case, is what the command is given. */
  readonly flag?: string;
  /**
   * Where in everthaw.yaml: at its top, in one of its sections, or in what it says of a host. `proxy`: at its top, and for one proxy in
   * `proxies.<name>`.
   */
  readonly section?: 'top' | 'proxy' | 'temporal' | 'defaults' | 'vsphere' | 'libvirt';
  /** Its key there. */
  readonly key?: string;
  /** Its option in config.js (F3). */
  readonly configJs?: string;
  /** Its variable in backuptools.conf (F4). */
  readonly conf?: string;
  readonly default?: string | number | boolean | ((env: NodeJS.ProcessEnv) => string);
  /** A default that is computed, or what is done without one. */
  readonly defaultTold?: string;
}

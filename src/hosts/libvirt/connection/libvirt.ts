import type { LibvirtSettings } from './settings.js';
import type { Virsh } from './virsh.js';

/** What everything of this driver works with. */
export interface Libvirt {
  readonly virsh: Virsh;
  readonly settings: LibvirtSettings;
}

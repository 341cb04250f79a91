import type { HostKind, Scene } from '../scene.js';
import { LIBVIRT_HOLDINGS, LIBVIRT_JOBS } from './libvirtJobs.js';
import { LibvirtScene } from './libvirtScene.js';
import { VSPHERE_HOLDINGS, VSPHERE_JOBS } from './vsphereJobs.js';
import { VsphereScene } from './vsphereScene.js';

/** What runs there are on a kind of host and what they hold, known before one is started. */
export const KINDS: Readonly<Record<HostKind, Pick<Scene, 'jobs' | 'holdings'>>> = {
  vsphere: { jobs: VSPHERE_JOBS, holdings: VSPHERE_HOLDINGS },
  libvirt: { jobs: LIBVIRT_JOBS, holdings: LIBVIRT_HOLDINGS },
};

export function startScene(host: HostKind): Promise<Scene> {
  return host === 'vsphere' ? VsphereScene.start() : LibvirtScene.start();
}

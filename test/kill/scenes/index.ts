import type { HostKind, Scene } from '../scene.js';
import { LibvirtScene } from './libvirtScene.js';
import { VsphereScene } from './vsphereScene.js';

export function startScene(host: HostKind): Promise<Scene> {
  return host === 'vsphere' ? VsphereScene.start() : LibvirtScene.start();
}

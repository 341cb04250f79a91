import type { HostKind, Scene } from '../scene.js';
import { VsphereScene } from './vsphereScene.js';

export function startScene(host: HostKind): Promise<Scene> {
  if (host === 'vsphere') return VsphereScene.start();
  throw new Error('libvirt: not yet');
}

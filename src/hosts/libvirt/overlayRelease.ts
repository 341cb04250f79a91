import type { SnapshotPlan } from './holdRecords.js';
import type { Libvirt } from './libvirt.js';
export async function commitOverlays(_l: Libvirt, _h: string, _p: SnapshotPlan): Promise<void> {
  await Promise.resolve();
}

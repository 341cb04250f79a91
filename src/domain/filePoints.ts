import { fileNameOf } from './fileName.js';

/** Name of the directory that a VM's file-level restore points lie in, beside each other (F6a). */
export function filePointsName(vmName: string): string {
  return `${fileNameOf(vmName)}-files`;
}

/** What one is called there: `20261123T140610Z`. Of which kind it is, its manifest says: that may turn out while it is made. */
export function filePointName(pointInTime: Date): string {
  return pointInTime.toISOString().replace(/[-:]|\.\d+/g, '');
}

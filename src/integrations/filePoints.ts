import { join } from 'node:path';
import { fileNameOf } from '../domain/fileName.js';

/** Where the file-level restore points of a VM lie beside each other (F6a): `<root>/<vm>-files`. */
export function filePointsDirectory(root: string, vmName: string): string {
  return join(root, `${fileNameOf(vmName)}-files`);
}

/** What one is called there: `20261123T140610Z`. Of which kind it is, its manifest says: that may turn out while it is made. */
export function filePointName(pointInTime: Date): string {
  return pointInTime.toISOString().replace(/[-:]|\.\d+/g, '');
}

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readSettings } from '../../src/config/settings.js';

/** The lab's programs, built by scripts/setup.mjs. */
const lab = join(readSettings().cacheDirectory, 'lab');

export const VCENTER = join(lab, 'vcenter');
export const GOVC = join(lab, 'govc');
export const EVERTHAW = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** Where disks that take long to make are kept between runs. */
export const DISK_CACHE = join(lab, 'disks');

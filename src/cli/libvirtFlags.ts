import * as z from 'zod';
import type { Settings } from '../config/settings.js';
import { EverthawError } from '../domain/errors.js';
import { LIBVIRT_SETTINGS, type LibvirtSettings } from '../hosts/libvirt/settings.js';
import type { HostFlags } from './hostAccess.js';
import { wholeNumber } from './values.js';

/** What flags and environment say of working with a libvirt host. @throws EverthawError WrongUsage */
export function libvirtSettings({ libvirt }: Settings, flags: HostFlags): LibvirtSettings {
  const { scratchFloorMib, scriptTimeoutS } = libvirt;
  const parsed = LIBVIRT_SETTINGS.safeParse({
    pointInTime: flags.pointInTime ?? libvirt.pointInTime,
    scratchDirectory: flags.scratchDirectory ?? libvirt.scratchDirectory,
    freezeUnguarded: flags.freezeUnguarded ?? libvirt.freezeUnguarded === '1',
    ...(scratchFloorMib === undefined
      ? {}
      : { scratchFloorBytes: wholeNumber('EVERTHAW_SCRATCH_FLOOR_MIB', scratchFloorMib) * 1024 * 1024 }),
    ...(scriptTimeoutS === undefined
      ? {}
      : { scriptTimeoutMs: wholeNumber('EVERTHAW_SCRIPT_TIMEOUT_S', scriptTimeoutS) * 1000 }),
  });
  if (parsed.success) return parsed.data;
  throw new EverthawError({
    code: 'WrongUsage',
    what: 'read the settings for libvirt',
    why: z.prettifyError(parsed.error),
    hint: 'see everthaw backup --help',
  });
}

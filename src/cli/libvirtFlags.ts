import * as z from 'zod';
import type { Settings } from '../config/settings.js';
import { EverthawError } from '../domain/errors.js';
import {
  LIBVIRT_SETTINGS,
  LONGEST_FREEZE_SECONDS,
  type LibvirtSettings,
} from '../hosts/libvirt/connection/settings.js';
import type { HostFlags } from './hostFlags.js';
import { wholeNumber } from './values.js';

/** What flags and environment say of working with a libvirt host. @throws EverthawError WrongUsage */
export function libvirtSettings({ libvirt }: Settings, flags: HostFlags): LibvirtSettings {
  const { nbdPort, scratchFloorMib, scriptTimeoutS, freezeSeconds } = libvirt;
  const parsed = LIBVIRT_SETTINGS.safeParse({
    pointInTime: flags.pointInTime ?? libvirt.pointInTime,
    scratchDirectory: flags.scratchDirectory ?? libvirt.scratchDirectory,
    nbdTransport: flags.nbdTransport ?? libvirt.nbdTransport,
    nbdCertificates: libvirt.nbdCertificates,
    nbdAddress: libvirt.nbdAddress,
    ...(nbdPort === undefined ? {} : { nbdPort: wholeNumber('EVERTHAW_NBD_PORT', nbdPort) }),
    freezeUnguarded: flags.freezeUnguarded ?? libvirt.freezeUnguarded === '1',
    ...(scratchFloorMib === undefined
      ? {}
      : { scratchFloorBytes: wholeNumber('EVERTHAW_SCRATCH_FLOOR_MIB', scratchFloorMib) * 1024 * 1024 }),
    ...(scriptTimeoutS === undefined
      ? {}
      : { scriptTimeoutMs: wholeNumber('EVERTHAW_SCRIPT_TIMEOUT_S', scriptTimeoutS) * 1000 }),
    ...(freezeSeconds === undefined ? {} : { switchSeconds: freezeSecondsOf(freezeSeconds) }),
  });
  if (parsed.success) return parsed.data;
  throw new EverthawError({
    code: 'WrongUsage',
    what: 'read the settings for libvirt',
    why: z.prettifyError(parsed.error),
    hint: 'see everthaw backup --help',
  });
}

/** A freeze that nobody waits for is no freeze; one of minutes is an outage. */
function freezeSecondsOf(text: string): number {
  const seconds = wholeNumber('EVERTHAW_FREEZE_SECONDS', text);
  if (seconds >= 1 && seconds <= LONGEST_FREEZE_SECONDS) return seconds;
  throw new EverthawError({
    code: 'WrongUsage',
    what: 'read EVERTHAW_FREEZE_SECONDS',
    why: `${text} is not between 1 and ${LONGEST_FREEZE_SECONDS}`,
    hint: 'leave it out for the usual 8 seconds',
  });
}

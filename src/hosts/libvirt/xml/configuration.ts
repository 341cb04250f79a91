import * as z from 'zod';
import { EverthawError } from '../../../domain/errors.js';
import type { JsonObject } from '../../../domain/vm.js';

const CONFIGURATION = z.object({
  /** The domain's XML as virsh tells it for its next start. */
  xml: z.string(),
  disks: z.array(z.object({ label: z.string(), target: z.string(), path: z.string(), format: z.string() })),
});

/** What a description keeps of a domain so that it can be made again. */
export type Configuration = z.infer<typeof CONFIGURATION>;

/** @throws EverthawError DiskNotSupported where another kind of host wrote it */
export function parseConfiguration(configuration: JsonObject): Configuration {
  const parsed = CONFIGURATION.safeParse(configuration);
  if (parsed.success) return parsed.data;
  throw new EverthawError({
    code: 'DiskNotSupported',
    what: 'make the VM from its backup',
    why: 'the backup does not describe a libvirt VM, and restoring across kinds of host is not built yet',
    hint: 'restore it to the kind of host that it was backed up from',
  });
}

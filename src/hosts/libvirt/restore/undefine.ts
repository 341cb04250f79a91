import type { Domain } from '../xml/domain.js';
import type { Virsh } from '../connection/virsh.js';

/**
 * Takes a domain out of libvirt; its disks stay. The state of a TPM stays too: it is kept by the uuid, and what follows with the
 * same uuid is the same machine to its guest.
 */
export async function undefineVm(
  virsh: Virsh,
  what: string,
  domain: Pick<Domain, 'uuid' | 'hasTpm'>,
  options: { readonly nvram: 'keep' | 'remove'; readonly withMetadata?: boolean },
): Promise<void> {
  await virsh.run(what, [
    'undefine',
    domain.uuid,
    options.nvram === 'keep' ? '--keep-nvram' : '--nvram',
    ...(options.withMetadata === true ? ['--snapshots-metadata', '--checkpoints-metadata'] : []),
    // Older versions of libvirt do not know the word.
    ...(domain.hasTpm ? ['--keep-tpm'] : []),
  ]);
}

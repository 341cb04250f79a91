import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GUEST } from './programs.js';

/** Who runs a guest's instructions: KVM, or QEMU itself (TCG). libvirt's names of the types of a domain. */
export type Accelerator = 'kvm' | 'qemu';

/**
 * KVM where a guest lives under it, else TCG, or what EVERTHAW_LAB_ACCELERATOR says. That /dev/kvm opens proves nothing: there are
 * machines on which guests then die of instructions that nobody runs. So one is tried, once for each start of the machine.
 *
 * @param tryKvm rejects unless a guest lived under KVM, soon
 */
export async function chooseAccelerator(tryKvm: () => Promise<void>): Promise<Accelerator> {
  const told = process.env['EVERTHAW_LAB_ACCELERATOR'];
  if (told === 'kvm' || told === 'qemu') return told;
  if (told !== undefined) throw new Error(`EVERTHAW_LAB_ACCELERATOR is "${told}", and not kvm or qemu`);
  if (!(await mayUseKvm())) return 'qemu';
  const thisStart = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const verdict = join(GUEST, `accelerator-${thisStart}`);
  const known = await readFile(verdict, 'utf8').catch(() => undefined);
  if (known === 'kvm' || known === 'qemu') return known;
  const found = await tryKvm().then(
    () => 'kvm' as const,
    () => 'qemu' as const,
  );
  await mkdir(GUEST, { recursive: true });
  const aside = `${verdict}.${randomUUID()}`;
  await writeFile(aside, found);
  await rename(aside, verdict);
  return found;
}

function mayUseKvm(): Promise<boolean> {
  return access('/dev/kvm', constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
}

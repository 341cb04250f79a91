import { readFile } from 'node:fs/promises';

/** This machine, and which of its boots this is. Empty where it cannot be read: such a machine is never taken for another. */
export interface MachineIdentity {
  readonly machineId: string;
  readonly bootId: string;
}

export async function machineIdentity(): Promise<MachineIdentity> {
  return {
    machineId: await firstLine('/etc/machine-id'),
    bootId: await firstLine('/proc/sys/kernel/random/boot_id'),
  };
}

async function firstLine(file: string): Promise<string> {
  return (await readFile(file, 'utf8').catch(() => '')).trim();
}

import type { Virsh } from '../connection/virsh.js';

/** Defines a domain, or changes its definition. virsh reads files only; its standard input may be a socket, which is none. */
export async function define(virsh: Virsh, what: string, xml: string): Promise<void> {
  await virsh.script(what, 'cat | v define /dev/stdin', [], { stdin: xml });
}

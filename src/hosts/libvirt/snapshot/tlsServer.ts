import { randomInt } from 'node:crypto';
import { EverthawError } from '../../../domain/errors.js';
import type { Libvirt } from '../connection/libvirt.js';
import { NBD_PORTS } from '../connection/settings.js';
import type { SnapshotPlan } from './holdRecords.js';
import type { VmLook } from './vmLook.js';

/** Where QEMU is to serve disks by TLS, if it is to; it takes no free port by itself. */
export async function tlsServer({ virsh, settings }: Libvirt): Promise<SnapshotPlan['server']> {
  const { nbdTransport, nbdAddress: address = 'localhost', nbdPort: first } = settings;
  if (nbdTransport === 'unix') return undefined;
  const what = `look for a free port from ${first} on`;
  // From anywhere on: two that look at the same moment are not to find the same.
  const start = randomInt(NBD_PORTS);
  const ports = Array.from({ length: NBD_PORTS }, (_, n) => first + ((start + n) % NBD_PORTS));
  const port = Number(await virsh.script(what, FREE_PORT, ports.map(String)));
  if (port > 0) return { address, port };
  throw new EverthawError({
    code: 'ResourceBusy',
    what: `${what} on ${virsh.shell.where}`,
    why: `all ${NBD_PORTS} are taken`,
    hint: 'let other backups end, or set EVERTHAW_NBD_PORT',
    retry: 'again',
  });
}

/** In the fourth column 0A says that somebody listens, behind the colon of the second where. */
const FREE_PORT = `
taken=$(cat /proc/net/tcp /proc/net/tcp6 2> /dev/null | awk '$4 == "0A" { sub(/.*:/, "", $2); print $2 }')
for port; do
  case "
$taken
" in
    *"
$(printf %04X "$port")
"*) ;;
    *) echo "$port"; exit 0 ;;
  esac
done
`;

/** What reads below an overlay has no certificates. */
export function noTls({ domain, domainId }: VmLook): EverthawError {
  return new EverthawError({
    code: 'TransportRefused',
    what: `read the disks of VM "${domain.name}" by TLS`,
    why:
      domainId === undefined
        ? 'it is off: no QEMU is there that could serve them'
        : 'only a backup job serves them so',
    hint: 'use --nbd-transport unix for it, or --point-in-time pull where it runs',
  });
}

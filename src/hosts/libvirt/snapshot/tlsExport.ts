import { access, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { EverthawError } from '../../../domain/errors.js';
import { exitOf, spawnTethered, tailOf } from '../../../system/program.js';
import { until } from '../../../system/until.js';
import { PATIENCE_MS, type ForwardedSocket } from '../../../system/hostShell.js';
import type { LibvirtSettings } from '../connection/settings.js';
import type { SnapshotPlan } from './holdRecords.js';

const LOOK_MS = 1000;

/**
 * An export that QEMU serves by TLS, as a socket of this proxy: nbdkit speaks TLS, so that none of what reads disks has to. It
 * believes the certificate by its CA and by the name or address that it was reached at.
 *
 * @throws EverthawError CertificateRefused, HostUnreachable
 */
export async function openTls(
  { address, port }: NonNullable<SnapshotPlan['server']>,
  exportName: string,
  certificates: string,
  socket: string,
): Promise<ForwardedSocket> {
  const child = spawnTethered(
    'nbdkit',
    [
      ...['--foreground', '--readonly', '--unix', socket, 'nbd'],
      ...[`hostname=${address}`, `port=${port}`, `export=${exportName}`],
      // One connection, made at once: what is wrong with it is told here, and not to whoever reads.
      ...['shared=true', 'tls=require', 'tls-verify=true', `tls-certificates=${certificates}`],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const tail = tailOf(child);
  const process = { hasEnded: false };
  const ended = exitOf(child)
    .catch(() => 1)
    .finally(() => (process.hasEnded = true));
  const close = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
    await rm(socket, { force: true });
  };
  try {
    await until(async () => process.hasEnded || (await greets(socket)), AbortSignal.timeout(PATIENCE_MS));
  } catch {
    await close();
    throw tlsFault(address, port, `no answer within ${PATIENCE_MS / 1000} s`);
  }
  if (!process.hasEnded) return { socket, close };
  await close();
  throw tlsFault(address, port, tail());
}

/** nbdkit makes its socket before it connects, and lets nobody in until it has. */
function greets(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.setTimeout(LOOK_MS, () => connection.destroy());
    connection.once('error', () => undefined);
    connection.once('close', () => {
      resolve(connection.bytesRead > 0);
    });
    connection.once('data', () => connection.destroy());
  });
}

function tlsFault(address: string, port: number, said: string): EverthawError {
  const what = `reach ${address}:${port} by TLS`;
  if (/certificate verification|hostname does not match/i.test(said)) {
    return new EverthawError({
      code: 'CertificateRefused',
      what,
      why: `its certificate is not signed by the CA in ca-cert.pem, or is not of "${address}"`,
      hint: 'see what EVERTHAW_NBD_CERTIFICATES and EVERTHAW_NBD_ADDRESS name, and what backup_tls_x509_cert_dir names on the host',
    });
  }
  if (/TLS connection was non-properly terminated|certificate is required|fatal alert/i.test(said)) {
    return new EverthawError({
      code: 'CertificateRefused',
      what,
      why: 'it accepts no certificate of ours',
      hint: 'put client-cert.pem and client-key.pem, signed by the CA that the host believes, beside ca-cert.pem',
    });
  }
  return new EverthawError({
    code: 'HostUnreachable',
    what,
    why: said === '' ? 'nbdkit ended at once' : said,
    hint: 'see that the port is open to this proxy, and that nbdkit has its nbd plugin; EVERTHAW_NBD_ADDRESS may name another address',
    retry: 'again',
  });
}

/** What is to be known of reading by TLS before it is begun. @throws EverthawError WrongUsage without a CA to believe */
export async function checkTls({
  nbdTransport,
  nbdCertificates,
}: LibvirtSettings): Promise<readonly string[]> {
  if (nbdTransport === 'unix') return [];
  if (nbdCertificates === undefined || !(await exists(join(nbdCertificates, 'ca-cert.pem')))) {
    throw new EverthawError({
      code: 'WrongUsage',
      what: 'read disks by TLS',
      why:
        nbdCertificates === undefined
          ? 'no certificates are named'
          : `there is no ca-cert.pem in ${nbdCertificates}`,
      hint: 'set EVERTHAW_NBD_CERTIFICATES to a directory of this proxy that holds it',
    });
  }
  if (await exists(join(nbdCertificates, 'client-cert.pem'))) return [];
  return [
    'this proxy has no certificate to show: if the host lets it read, it lets everybody read the disks who reaches the port during the backup (backup_tls_x509_verify in its qemu.conf)',
  ];
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { connect, type PeerCertificate, type TLSSocket } from 'node:tls';
import { buildConnector } from 'undici';
import { EverthawError, messageOf } from '../../domain/errors.js';
import { codeOf } from './faults.js';

/** What vouches for a host's certificate: a CA with the host name, or its thumbprint (SHA-1 or SHA-256, `XX:XX:…`). */
export interface Trust {
  readonly caFile?: string;
  readonly thumbprint?: string;
}

export type Connector = ReturnType<typeof buildConnector>;

/** A connector for undici that refuses a certificate nobody vouches for. */
export function trustingConnector(trust: Trust): Connector {
  const { thumbprint } = trust;
  if (thumbprint === undefined) {
    return buildConnector({
      timeout: 15_000,
      ...(trust.caFile === undefined ? {} : { ca: readCa(trust.caFile) }),
    });
  }
  // The chain is not looked at, the certificate itself is: before a byte of ours is sent.
  // A resumed TLS session shows no certificate, so there is none to resume.
  const connectAnyway = buildConnector({ timeout: 15_000, rejectUnauthorized: false, maxCachedSessions: 0 });
  return (options, callback) => {
    connectAnyway(options, (error, socket) => {
      if (error !== null) {
        callback(error, null);
        return;
      }
      const refusal = thumbprintRefusal(
        (socket as TLSSocket).getPeerCertificate(),
        thumbprint,
        options.hostname,
      );
      if (refusal === undefined) {
        callback(null, socket);
      } else {
        socket.destroy();
        callback(refusal, null);
      }
    });
  };
}

export function readCa(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new EverthawError({
      code: 'WrongUsage',
      what: `read the CA of the host’s certificate from "${file}"`,
      why: codeOf(error) ?? String(error),
      hint: 'name a PEM file that this user and the worker can read',
      cause: error,
    });
  }
}

/** The certificate of a server, seen by us and vouched for by its thumbprint, in the forms that native tools take. */
export interface PinnedCertificate {
  readonly pem: string;
  /** curl's `--pinnedpubkey`. */
  readonly publicKey: string;
  /** Whether it is for the address that it was fetched from; most self-signed ones are not. */
  readonly namesAddress: boolean;
}

/** Fetches the certificate of `hostname:port` and checks it against the thumbprint. */
export async function pinCertificate(
  hostname: string,
  port: number,
  thumbprint: string,
): Promise<PinnedCertificate> {
  const certificate = await fetchCertificate(hostname, port);
  const refusal = thumbprintRefusal(certificate, thumbprint, hostname);
  if (refusal !== undefined) throw refusal;
  const x509 = new X509Certificate(certificate.raw);
  const spki = x509.publicKey.export({ type: 'spki', format: 'der' });
  return {
    pem: x509.toString(),
    publicKey: `sha256//${createHash('sha256').update(spki).digest('base64')}`,
    namesAddress: (isIP(hostname) === 0 ? x509.checkHost(hostname) : x509.checkIP(hostname)) !== undefined,
  };
}

/** SHA-256 of the certificate that `hostname:port` shows, whoever it is that shows it. @throws EverthawError HostUnreachable */
export async function shownThumbprint(hostname: string, port: number): Promise<string> {
  try {
    return (await fetchCertificate(hostname, port)).fingerprint256;
  } catch (error) {
    throw new EverthawError({
      code: 'HostUnreachable',
      what: `look at the certificate of "${hostname}:${port}"`,
      why: messageOf(error),
      hint: 'see that the host is up, and that this is its HTTPS port',
      retry: 'again',
      cause: error,
    });
  }
}

function fetchCertificate(hostname: string, port: number): Promise<PeerCertificate> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: hostname,
      port,
      servername: /^[\d.:]+$/.test(hostname) ? '' : hostname,
      rejectUnauthorized: false,
      timeout: 15_000,
    });
    socket.once('secureConnect', () => {
      resolve(socket.getPeerCertificate());
      socket.destroy();
    });
    socket.once('timeout', () => socket.destroy(new Error('no TLS answer within 15 s')));
    socket.once('error', reject);
  });
}

export function certificateRefused(hostname: string, why: string, cause?: unknown): EverthawError {
  return new EverthawError({
    code: 'CertificateRefused',
    what: `check the certificate of "${hostname}"`,
    why,
    hint: 'give the CA that signed it, or HOST_THUMBPRINT as the server’s own console shows it; do not copy it from here',
    cause,
  });
}

export function thumbprintRefusal(
  certificate: PeerCertificate,
  thumbprint: string,
  hostname: string,
): EverthawError | undefined {
  const wanted = thumbprint.toUpperCase();
  const shown = wanted.length > 59 ? certificate.fingerprint256 : certificate.fingerprint;
  if (shown === wanted) return undefined;
  return certificateRefused(hostname, `its thumbprint is ${shown}, expected is ${wanted}`);
}

import { lookup } from 'node:dns/promises';
import { connect, type PeerCertificate } from 'node:tls';
import { EverthawError, messageOf } from '../../domain/errors.js';
import { finding, findings, type Finding } from '../../domain/finding.js';
import { whyClosed } from '../../system/tcpPort.js';
import { certificateRefused, readCa, thumbprintRefusal, type Trust } from './trust.js';

const DAY_MS = 24 * 3600_000;
/** So long before its end a certificate is worth a word. */
const RENEW_DAYS = 30;

/** Whether the host is there and is who it should be, before anybody logs in. */
export async function examineAddress(
  address: string,
  port: number,
  trust: Trust,
): Promise<readonly Finding[]> {
  const name = await finding('name', address, () => resolveName(address));
  if (name.state !== 'ok') return [name];
  const at = `${address}:${port}`;
  const reached = await finding('port', at, () => reach(address, port));
  if (reached.state !== 'ok') return [name, reached];
  return [
    name,
    reached,
    ...(await findings('certificate', at, async () => [await examineCertificate(address, port, trust)])),
  ];
}

async function resolveName(address: string): Promise<string> {
  try {
    return (await lookup(address, { all: true })).map((found) => found.address).join(', ');
  } catch (error) {
    throw new EverthawError({
      code: 'HostUnreachable',
      what: `look "${address}" up`,
      why: messageOf(error),
      hint: 'check the name, and the name service of this proxy',
      cause: error,
    });
  }
}

async function reach(address: string, port: number): Promise<string> {
  const why = await whyClosed(address, port);
  if (why === undefined) return 'it can be reached';
  throw new EverthawError({
    code: 'HostUnreachable',
    what: `reach "${address}:${port}"`,
    why,
    hint: 'see that the host is up, that this is its HTTPS port (--port), and that no firewall is in between',
  });
}

interface Shown {
  readonly certificate: PeerCertificate;
  /** Why neither a CA nor its name vouches for it. */
  readonly refusal: string | undefined;
}

/** @throws EverthawError CertificateRefused */
async function examineCertificate(address: string, port: number, trust: Trust): Promise<Finding> {
  const { certificate, refusal } = await shownBy(address, port, trust);
  if (trust.thumbprint !== undefined) {
    const other = thumbprintRefusal(certificate, trust.thumbprint, address);
    if (other !== undefined) throw other;
  } else if (refusal !== undefined) {
    throw certificateRefused(address, refusal);
  }
  const vouched =
    trust.thumbprint !== undefined ? 'its thumbprint' : (trust.caFile ?? 'a CA that Node knows');
  const ends = new Date(certificate.valid_to);
  const days = Math.floor((ends.getTime() - Date.now()) / DAY_MS);
  const found = `${vouched} vouches for it; valid until ${ends.toISOString().slice(0, 10)}`;
  const looked = { check: 'certificate', on: `${address}:${port}` };
  if (days >= RENEW_DAYS) return { ...looked, state: 'ok', found };
  return {
    ...looked,
    state: 'warning',
    found: `${found}, ${days < 0 ? 'which is over' : `in ${days} days`}`,
    todo: 'renew it; who is known by thumbprint is to be told the new one',
  };
}

function shownBy(address: string, port: number, { caFile }: Trust): Promise<Shown> {
  const ca = caFile === undefined ? {} : { ca: readCa(caFile) };
  return new Promise((resolve, reject) => {
    const socket = connect({
      ...{ host: address, port, rejectUnauthorized: false, timeout: 15_000 },
      servername: /^[\d.:]+$/.test(address) ? '' : address,
      ...ca,
    });
    socket.once('secureConnect', () => {
      const refusal = socket.authorized ? undefined : messageOf(socket.authorizationError);
      resolve({ certificate: socket.getPeerCertificate(), refusal });
      socket.destroy();
    });
    socket.once('timeout', () => socket.destroy(new Error('no TLS answer within 15 s')));
    socket.once('error', reject);
  });
}

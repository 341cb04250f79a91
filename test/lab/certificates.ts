import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './run.js';

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'] as const;

/** The parts of an extension file that say whose a certificate is and what for. */
const EXTENSIONS = {
  server: (name: string) => `subjectAltName=DNS:${name}\nextendedKeyUsage=serverAuth\n`,
  client: () => 'extendedKeyUsage=clientAuth\n',
};

/** Makes a CA in a directory: `ca-cert.pem` is what others are to believe. */
export async function makeCa(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await run('openssl', [
    ...['req', '-x509', ...KEY, '-subj', '/CN=lab CA', '-days', '2', '-addext', 'keyUsage=keyCertSign'],
    ...['-keyout', join(directory, 'ca-key.pem'), '-out', join(directory, 'ca-cert.pem')],
  ]);
}

/** Signs a server's certificate for a name, or a client's, under the names that QEMU and libnbd look for. */
export async function signCertificate(
  directory: string,
  kind: keyof typeof EXTENSIONS,
  name: string,
): Promise<void> {
  const file = (end: string): string => join(directory, `${kind}-${end}`);
  await run('openssl', [
    ...['req', ...KEY, '-subj', `/CN=${name}`, '-keyout', file('key.pem'), '-out', file('request')],
  ]);
  await writeFile(file('extensions'), 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n');
  await appendFile(file('extensions'), EXTENSIONS[kind](name));
  await run('openssl', [
    ...['x509', '-req', '-in', file('request'), '-extfile', file('extensions'), '-days', '2'],
    ...['-CA', join(directory, 'ca-cert.pem'), '-CAkey', join(directory, 'ca-key.pem'), '-CAcreateserial'],
    ...['-out', file('cert.pem')],
  ]);
}

import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Manifest } from '../../src/domain/manifest.js';
import { makeCa, signCertificate } from '../lab/certificates.js';
import { LabGuest } from '../lab/guest.js';
import { GuestLab } from '../lab/guestLab.js';
import { recordsOn } from '../lab/records.js';
import { refusal } from '../lab/refusal.js';
import type { Ran } from '../lab/run.js';
import { labTemporal } from '../lab/temporal.js';

let certificates: string;
let lab: GuestLab;
let guest: LabGuest;

beforeAll(async () => {
  certificates = await mkdtemp(join(tmpdir(), 'everthaw-certificates-'));
  const host = join(certificates, 'host');
  await makeCa(host);
  await signCertificate(host, 'server', 'localhost');
  await signCertificate(host, 'client', 'backup');
  lab = await GuestLab.start(labTemporal(), undefined, {
    qemuConf: `backup_tls_x509_cert_dir = "${host}"\nbackup_tls_x509_verify = 1`,
  });
}, 300_000);

afterEach(async () => {
  await guest.destroy();
});

afterAll(async () => {
  await lab.stop();
  await rm(certificates, { recursive: true });
});

/** A directory for the proxy with some of the host's files. */
async function proxyDirectory(...names: readonly string[]): Promise<string> {
  const directory = join(certificates, names.join('-'));
  await mkdir(directory, { recursive: true });
  for (const name of names) await cp(join(certificates, 'host', name), join(directory, name));
  return directory;
}

const OURS = ['ca-cert.pem', 'client-cert.pem', 'client-key.pem'] as const;

function backup(directory: string, environment: NodeJS.ProcessEnv = {}): Promise<Ran> {
  return lab.everthaw.everthawWith(
    { EVERTHAW_NBD_TRANSPORT: 'tls', EVERTHAW_NBD_CERTIFICATES: directory, ...environment },
    ...(['backup', guest.name, '--root', lab.everthaw.backups] as const),
  );
}

async function expectNothingLeft(): Promise<void> {
  expect(await lab.leftovers(guest)).toEqual([]);
  expect(await readdir(join(lab.everthaw.state, 'sockets'))).toEqual([]);
}

describe('by TLS', () => {
  it('a guest that writes is backed up, and the transport is told', async () => {
    guest = await LabGuest.start(lab.libvirt, { name: 'tls' });
    await guest.startWriter();
    expect(await backup(await proxyDirectory(...OURS))).toMatchObject({ code: 0, stderr: '' });
    const directory = lab.directoryOf(guest.name);
    const manifest = JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')) as Manifest;
    expect(manifest.transport).toEqual({ mode: 'nbdssl', via: 'export' });
    const [first, second] = await Promise.all(
      manifest.disks.map(({ file }) => recordsOn(join(directory, file))),
    );
    expect(first).toBeGreaterThan(0);
    expect(second).toBe(first);
    await guest.stopWriter();
    await expectNothingLeft();
  });

  it('a host whose certificate another CA signed is not believed, and the guest is let go', async () => {
    guest = await LabGuest.start(lab.libvirt, { name: 'tls-ca' });
    const other = join(certificates, 'other');
    await makeCa(other);
    await signCertificate(other, 'client', 'backup');
    const line = refusal(await backup(other));
    expect(line).toContain('its certificate is not signed by the CA in ca-cert.pem');
    await expectNothingLeft();
  });

  it('a host of another name is not believed', async () => {
    guest = await LabGuest.start(lab.libvirt, { name: 'tls-name' });
    const ran = await backup(await proxyDirectory(...OURS), { EVERTHAW_NBD_ADDRESS: '127.0.0.1' });
    expect(refusal(ran)).toContain('or is not of "127.0.0.1"');
    await expectNothingLeft();
  });

  it('a proxy without a certificate is not let in, where the host asks for one', async () => {
    guest = await LabGuest.start(lab.libvirt, { name: 'tls-client' });
    const line = refusal(await backup(await proxyDirectory('ca-cert.pem')));
    expect(line).toContain('it accepts no certificate of ours');
    await expectNothingLeft();
  });

  it('a VM that is off is refused before anything is touched: nobody serves it', async () => {
    guest = await LabGuest.start(lab.libvirt, { name: 'tls-off' });
    await guest.powerOff();
    const line = refusal(await backup(await proxyDirectory(...OURS)));
    expect(line).toContain('it is off');
    expect(line).toContain('--nbd-transport unix');
    await expectNothingLeft();
  });
});

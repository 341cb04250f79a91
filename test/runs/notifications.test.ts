import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { join } from 'node:path';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { MailChannel } from '../../src/domain/channel.js';
import { NO_COUNTS, type JobResult } from '../../src/domain/jobs.js';
import type { Notification } from '../../src/domain/notification.js';
import { jobWorkflowId } from '../../src/domain/names.js';
import { send } from '../../src/notifications/send.js';
import { makeCa, signCertificate } from '../lab/certificates.js';
import { makeDisk } from '../lab/disks.js';
import { historyOf } from '../lab/history.js';
import { eventually, Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import type { Ran } from '../lab/run.js';
import { labTemporal } from '../lab/temporal.js';

const SECRET = 'T0KEN-of-the-webhook';
const PASSWORD = 'a mail password';

let lab: Lab;
let config: string;
let job: string;
let hook: Server;
let smtp: SMTPServer;
const posted: (Notification & { readonly text: string })[] = [];
const mails: { readonly to: readonly string[]; readonly text: string }[] = [];
let answer = 200;

beforeAll(async () => {
  // Of a size that can be held in mid-transfer.
  const disk = await makeDisk('permits', 64, 24);
  lab = await Lab.start([{ name: 'web', disks: [{ ...disk, unit: 0 }] }], labTemporal());
  config = join(lab.everthaw.directory, 'everthaw.yaml');
  job = `told ${lab.everthaw.directory.slice(-6)}`;
  // The worker reads the channels anew, from its own file.
  await writeFile(config, '');
  await lab.everthaw.endWorker();
  lab.everthaw.environment['EVERTHAW_CONFIG'] = config;
  await lab.everthaw.startWorker();
  hook = createServer((request, response) => {
    void text(request).then((body) => {
      if (answer === 200) posted.push(JSON.parse(body) as (typeof posted)[number]);
      response.writeHead(answer).end();
    });
  }).listen(0, '127.0.0.1');
  await once(hook, 'listening');
  smtp = await mailServer({ authOptional: true, hideSTARTTLS: true });
  await writeFile(join(lab.everthaw.directory, 'hook.url'), `http://127.0.0.1:${portOf(hook)}/${SECRET}\n`);
  await writeFile(join(lab.everthaw.directory, 'mail.password'), `${PASSWORD}\n`);
}, 120_000);

afterEach(async () => {
  await lab.vcenter.heal();
  posted.length = 0;
  mails.length = 0;
  answer = 200;
  expect(await leftovers(lab)).toEqual([]);
});

afterAll(async () => {
  await writeFile(config, '');
  await jobs('apply', '--yes');
  hook.close();
  await closed(smtp);
  await lab.stop();
});

/** A real mail server on the loopback, which keeps what it is handed. */
async function mailServer(options: SMTPServerOptions): Promise<SMTPServer> {
  const server = new SMTPServer({
    ...options,
    onData: (stream, { envelope }, done) => {
      void text(stream).then((body) => {
        mails.push({ to: envelope.rcptTo.map(({ address }) => address), text: body });
        done();
      });
    },
  });
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  return server;
}

const closed = (server: SMTPServer): Promise<void> =>
  new Promise((resolve) => {
    server.close(resolve);
  });

const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port;

const mailChannel = (port: number, host = '127.0.0.1') => ({
  kind: 'mail',
  server: `smtp://${host}:${port}`,
  from: 'everthaw@example.com',
  to: ['ops@example.com', 'more@example.com'],
});

const jobs = (...words: readonly string[]): Promise<Ran> => lab.everthaw.everthaw('jobs', ...words);

/** Applies the job with its channels. */
async function applied(
  notify: readonly object[],
  more: object = {},
  others: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const root = join(lab.everthaw.directory, 'told');
  await rm(root, { recursive: true, force: true });
  await mkdir(root);
  const channels = {
    hook: { kind: 'webhook', urlFile: 'hook.url' },
    mail: mailChannel(portOf(smtp.server)),
    lost: { kind: 'webhook', urlFile: 'nowhere' },
    ...others,
  };
  const written = { vms: ['name:web'], root, retries: 0, notify, ...more };
  await writeFile(config, JSON.stringify({ notify: channels, jobs: { [job]: written } }));
  expect(await jobs('apply', '--yes')).toMatchObject({ code: 0, stderr: '' });
}

async function ranWith(code: number): Promise<JobResult> {
  const ran = await jobs('run', job, '--json');
  expect(ran.code).toBe(code);
  return JSON.parse(ran.stdout.trim().split('\n').at(-1) ?? '') as JobResult;
}

const failing = () =>
  lab.vcenter.fault({ method: 'CreateSnapshot_Task', fault: 'GenericVmConfigFault', count: 1 });

describe('a job tells how it ended', () => {
  it('by webhook: failures, and with "change" the first success after one', async () => {
    await applied([{ to: 'hook', on: 'change' }]);
    await ranWith(0);
    expect(posted).toEqual([]);
    await failing();
    await ranWith(1);
    await ranWith(0);
    await ranWith(0);
    expect(posted.map(({ state, before }) => [state, before])).toEqual([
      ['failed', 'succeeded'],
      ['succeeded', 'failed'],
    ]);
    const [first] = posted;
    expect(first).toMatchObject({ job, counts: { failed: 1 }, workflowId: jobWorkflowId(job) });
    expect(first?.text).toMatch(/web failed: take snapshot .*GenericVmConfigFault/);
  });

  it('by mail, to everybody who is named', async () => {
    await applied([{ to: 'mail', on: 'always' }]);
    await ranWith(0);
    expect(mails).toHaveLength(1);
    expect(mails[0]?.to).toEqual(['ops@example.com', 'more@example.com']);
    expect(mails[0]?.text).toContain(`\r\n\r\nEverthaw: job "${job}" succeeded: 1 succeeded\r\n`);
  });

  it('by mail with a password, which is never said unencrypted', async () => {
    const directory = join(lab.everthaw.directory, 'tls');
    await makeCa(directory);
    await signCertificate(directory, 'server', 'localhost');
    const [key, cert] = await Promise.all(
      ['server-key.pem', 'server-cert.pem'].map((name) => readFile(join(directory, name))),
    );
    const logins: (readonly [unknown, unknown, boolean])[] = [];
    const server = (...disabledCommands: readonly string[]) =>
      mailServer({
        ...{ key, cert, disabledCommands: [...disabledCommands], allowInsecureAuth: true },
        onAuth: ({ username, password }, { secure }, done) => {
          logins.push([username, password, secure]);
          done(null, { user: username ?? '' });
        },
      });
    const servers = await Promise.all([server(), server('STARTTLS')]);
    const [tls, plain] = servers.map((each) => ({
      ...mailChannel(portOf(each.server), 'localhost'),
      ...{ username: 'everthaw', passwordFile: 'mail.password', caFile: 'tls/ca-cert.pem' },
    }));
    await applied([{ to: 'mail', on: 'always' }], {}, { mail: tls });
    expect((await ranWith(0)).untold).toEqual([]);
    expect(logins).toEqual([['everthaw', PASSWORD, true]]);
    expect(mails).toHaveLength(1);
    const notification = { job, proxy: 'p', state: 'succeeded', counts: NO_COUNTS, notable: [] } as const;
    const when = { startedAt: new Date().toISOString(), durationMs: 1, workflowId: 'w', runId: 'r' };
    const absolute = {
      ...plain,
      passwordFile: join(lab.everthaw.directory, 'mail.password'),
      caFile: join(directory, 'ca-cert.pem'),
    } as MailChannel;
    await expect(send('mail', absolute, { ...notification, ...when })).rejects.toThrow(
      /tell mail: .*STARTTLS/,
    );
    expect(logins).toHaveLength(1);
    await Promise.all(servers.map(closed));
  });

  it('where its VMs could not be looked up, and where it was skipped', async () => {
    await applied([{ to: 'hook' }], { host: 'no-such-host.invalid' });
    expect((await jobs('run', job)).code).toBe(1);
    expect(posted.map(({ state }) => state)).toEqual(['failed']);
    expect(posted[0]?.reason).toContain('no-such-host.invalid');
    posted.length = 0;
    await applied([{ to: 'hook' }]);
    const root = join(lab.everthaw.directory, 'told');
    const { ran } = await lab.holdDownload('/nfc', root, () => jobs('run', job));
    await lab.client.schedule.getHandle(jobWorkflowId(job)).trigger();
    await eventually(() => Promise.resolve(posted.length > 0));
    expect(posted).toMatchObject([{ state: 'skipped', reason: 'its last run is living' }]);
    await lab.vcenter.control('DELETE', '/traffic');
    expect(await ran).toMatchObject({ code: 0 });
  });

  it('and who cannot be told changes nothing of how it ended', async () => {
    await applied([{ to: 'lost', on: 'always' }]);
    const result = await ranWith(0);
    expect(result.state).toBe('succeeded');
    expect(result.untold).toEqual([
      expect.stringMatching(/^not told: tell lost: its file .*nowhere.*ENOENT/),
    ]);
  });

  it('with no secret in histories or logs', async () => {
    await applied([{ to: 'hook', on: 'always' }]);
    await ranWith(0);
    expect(posted).toHaveLength(1);
    const said = (await historyOf(jobWorkflowId(job))) + (await readFile(lab.everthaw.workerLog, 'utf8'));
    expect(said).toContain('hook');
    for (const secret of [SECRET, PASSWORD]) expect(said).not.toContain(secret);
  });

  it('to no channel that is not there', async () => {
    await writeFile(config, JSON.stringify({ jobs: { [job]: { vms: ['any:'], notify: [{ to: 'ops' }] } } }));
    const ran = await jobs('apply', '--dry-run');
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('notify.0.to is "ops"; allowed: a name that stands in notify');
  });
});

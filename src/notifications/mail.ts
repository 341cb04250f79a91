import { readFile } from 'node:fs/promises';
import { createTransport } from 'nodemailer';
import { messageOf } from '../domain/errors.js';
import { textOf, titleOf, type Notification } from '../domain/notification.js';
import { printable } from '../domain/printable.js';
import type { MailChannel } from '../domain/channel.js';
import { notTold, secretIn } from './send.js';

const PATIENCE_MS = 30_000;

/** Sends a notification as a plain text mail. Told twice, it has the same Message-ID, by which mailboxes know it. */
export async function mailTo(
  name: string,
  { server, from, to, username, passwordFile, caFile }: MailChannel,
  notification: Notification,
): Promise<void> {
  const { hostname, port, protocol } = new URL(server);
  const isTls = protocol === 'smtps:';
  const transport = createTransport({
    host: hostname,
    port: port === '' ? (isTls ? 465 : 25) : Number(port),
    secure: isTls,
    // A password goes nowhere unencrypted.
    requireTLS: !isTls && username !== undefined,
    connectionTimeout: PATIENCE_MS,
    greetingTimeout: PATIENCE_MS,
    socketTimeout: PATIENCE_MS,
    ...(caFile === undefined ? {} : { tls: { ca: await readFile(caFile, 'utf8') } }),
    ...(username === undefined
      ? {}
      : {
          auth: {
            user: username,
            pass: passwordFile === undefined ? '' : await secretIn(name, passwordFile),
          },
        }),
  });
  const { runId, state } = notification;
  try {
    await transport.sendMail({
      from,
      to: [...to],
      subject: printable(titleOf(notification)),
      text: textOf(notification),
      messageId: `<${runId}.${state}@everthaw>`,
    });
  } catch (error) {
    throw notTold(name, messageOf(error));
  } finally {
    transport.close();
  }
}

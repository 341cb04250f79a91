import { readFile } from 'node:fs/promises';
import { Agent, request } from 'undici';
import { messageOf } from '../domain/errors.js';
import { textOf, type Notification } from '../domain/notification.js';
import type { WebhookChannel } from '../domain/channel.js';
import { notTold, secretIn } from './send.js';

const PATIENCE_MS = 30_000;

/**
 * Posts a notification as JSON: its fields, and `text`, which is what Slack, Mattermost and their like show. The URL may hold a secret, so
 * nothing says it.
 */
export async function postTo(
  name: string,
  { url, urlFile, caFile }: WebhookChannel,
  notification: Notification,
): Promise<void> {
  const to = urlFile === undefined ? url : await secretIn(name, urlFile);
  if (to === undefined || !URL.canParse(to)) throw notTold(name, 'it has no URL');
  const dispatcher = new Agent({
    ...(caFile === undefined ? {} : { connect: { ca: await readFile(caFile, 'utf8') } }),
  });
  try {
    const { statusCode, body } = await request(to, {
      method: 'POST',
      dispatcher,
      headersTimeout: PATIENCE_MS,
      bodyTimeout: PATIENCE_MS,
      headers: { 'content-type': 'application/json', 'user-agent': 'everthaw' },
      body: JSON.stringify({ ...notification, text: textOf(notification) }),
    });
    await body.dump();
    if (statusCode >= 300) throw notTold(name, `it answered ${statusCode}`);
  } catch (error) {
    throw error instanceof Error && error.name === 'EverthawError'
      ? error
      : notTold(name, messageOf(error).replaceAll(to, 'its URL'));
  } finally {
    await dispatcher.close();
  }
}

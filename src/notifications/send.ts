import { readFile } from 'node:fs/promises';
import { EverthawError, messageOf } from '../domain/errors.js';
import type { Notification } from '../domain/notification.js';
import type { Channel } from '../domain/channel.js';

/** Tells a channel. @throws EverthawError ProgramFailed, WrongUsage; no secret is in it */
export async function send(name: string, channel: Channel, notification: Notification): Promise<void> {
  if (channel.kind === 'webhook') {
    const { postTo } = await import('./webhook.js');
    await postTo(name, channel, notification);
  } else {
    const { mailTo } = await import('./mail.js');
    await mailTo(name, channel, notification);
  }
}

/** What a file of a channel's holds. @throws EverthawError WrongUsage */
export async function secretIn(name: string, file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    throw new EverthawError({
      code: 'WrongUsage',
      what: `tell ${name}`,
      why: `its file "${file}" cannot be read: ${messageOf(error)}`,
      hint: 'name a file in everthaw.yaml that the worker’s user can read',
    });
  }
}

export function notTold(name: string, why: string): EverthawError {
  return new EverthawError({
    code: 'ProgramFailed',
    what: `tell ${name}`,
    why,
    hint: 'see that it is up and what everthaw.yaml says of it',
    retry: 'again',
  });
}

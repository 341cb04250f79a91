import * as z from 'zod';
import type { Channel } from '../domain/channel.js';

const text = (allowed: string) => z.string(allowed).regex(/^\P{Cc}+$/u, allowed);
const URL_FORM = 'an http or https URL';
const url = z.string(URL_FORM).regex(/^https?:\/\/\P{Cc}+$/u, URL_FORM);
const SERVER_FORM = 'smtp://host:port, or smtps://host:port for TLS from the start';
const ADDRESS_FORM = 'an e-mail address';
const address = z.string(ADDRESS_FORM).regex(/^[^\s@<>]+@[^\s@<>]+$/u, ADDRESS_FORM);
const path = text('a path');

/** What everthaw.yaml says of one channel (F8). */
export const CHANNEL = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({
      kind: z.literal('webhook'),
      url: url.optional().describe('where to post to, if it is no secret'),
      urlFile: path.optional().describe('a file that holds it, if it is one'),
      caFile: path.optional(),
    }),
    z.strictObject({
      kind: z.literal('mail'),
      server: z.string(SERVER_FORM).regex(/^smtps?:\/\/[^\s/@]+$/u, SERVER_FORM),
      from: address,
      to: z.array(address, 'a list of e-mail addresses').min(1, 'a list of e-mail addresses'),
      username: text('a text').optional(),
      passwordFile: path.optional(),
      caFile: path.optional(),
    }),
  ],
  'one of webhook, mail',
);

export const CHANNEL_KEYS = {
  webhook: ['kind', 'url', 'urlFile', 'caFile'],
  mail: ['kind', 'server', 'from', 'to', 'username', 'passwordFile', 'caFile'],
} as const;

/** With its paths made absolute, counted from the file's directory. */
export function channelOf(written: z.infer<typeof CHANNEL>, absolute: (path: string) => string): Channel {
  const given = Object.entries(written).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    given.map(([key, value]) => [key, key.endsWith('File') ? absolute(String(value)) : value]),
  ) as unknown as Channel;
}

/** A way to tell somebody, as everthaw.yaml says it. Secrets are in files of their own. */
export type Channel = WebhookChannel | MailChannel;

export interface WebhookChannel {
  readonly kind: 'webhook';
  readonly url?: string;
  readonly urlFile?: string;
  readonly caFile?: string;
}

export interface MailChannel {
  readonly kind: 'mail';
  readonly server: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly username?: string;
  readonly passwordFile?: string;
  readonly caFile?: string;
}

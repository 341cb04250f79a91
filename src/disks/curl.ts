import type { SourceProgram } from '../system/sourceProgram.js';

/** How curl reaches an URL and what makes it believe the server. */
export interface CurlTarget {
  readonly url: string;
  readonly cookie?: string | undefined;
  readonly caFile?: string | undefined;
  /** `sha256//…`: believed instead of a CA, since a thumbprint vouched for it. */
  readonly pinnedPublicKey?: string | undefined;
}

/** Seconds without a single byte after which a transfer counts as dead. */
const STALL_SECONDS = 60;

/** Downloads an URL to standard output. */
export function curlDownload(target: CurlTarget, what: string): SourceProgram {
  return { program: 'curl', args: [...COMMON], stdin: configuration(target), what };
}

/** Uploads a file; `method` is what the server wants. */
export function curlUpload(
  target: CurlTarget,
  file: string,
  method: 'PUT' | 'POST',
  what: string,
): SourceProgram {
  const lines = [
    `upload-file = ${quoted(file)}`,
    `request = "${method}"`,
    'header = "Expect:"',
    'header = "Content-Type: application/x-vnd.vmware-streamVmdk"',
  ];
  return { program: 'curl', args: [...COMMON], stdin: `${configuration(target)}${lines.join('\n')}\n`, what };
}

const COMMON = [
  '--config',
  '-',
  '--silent',
  '--show-error',
  '--fail',
  '--connect-timeout',
  '30',
  '--speed-limit',
  '1',
  '--speed-time',
  String(STALL_SECONDS),
] as const;

/** curl's configuration file, read from standard input: the URL of a lease is a secret as much as the cookie is. */
function configuration(target: CurlTarget): string {
  const lines = [`url = ${quoted(target.url)}`];
  if (target.cookie !== undefined) lines.push(`cookie = ${quoted(`vmware_soap_session=${target.cookie}`)}`);
  if (target.pinnedPublicKey !== undefined)
    lines.push('insecure', `pinnedpubkey = ${quoted(target.pinnedPublicKey)}`);
  else if (target.caFile !== undefined) lines.push(`cacert = ${quoted(target.caFile)}`);
  return `${lines.join('\n')}\n`;
}

function quoted(value: string): string {
  return `"${value.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n').replace(/\r/g, '\\r').replace(/\t/g, '\\t')}"`;
}

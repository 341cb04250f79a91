import { EverthawError, type ErrorCode, type Retry } from '../../domain/errors.js';
import { ownEntry } from '../../domain/ownEntry.js';
import { child, readRef, text, typeOf, type XmlInput } from './xml.js';

/** A fault as the host told it: `type` is the schema's name of it. */
export class VimFault extends Error {
  override readonly name = 'VimFault';
  readonly type: string;
  readonly detail: XmlInput | undefined;

  constructor(type: string, message: string, detail?: XmlInput) {
    super(message === '' ? type : message);
    this.type = type;
    this.detail = detail;
  }
}

/** The fault of a SOAP answer's body. */
export function faultOfBody(fault: XmlInput): VimFault {
  const detail = child(fault, 'detail');
  const [name, content] =
    Object.entries((typeof detail === 'object' ? detail : {}) as Record<string, XmlInput>).find(
      ([key]) => !key.startsWith('@') && key !== '#text',
    ) ?? [];
  const type = typeOf(content) || (name ?? '').replace(/^.*:/, '').replace(/Fault$/, '') || 'RuntimeFault';
  return new VimFault(type, text(fault, 'faultstring'), content);
}

/** The fault of a `LocalizedMethodFault`, as a task or a lease carries it. */
export function faultOfMethod(error: XmlInput): VimFault {
  const inner = child(error, 'fault');
  return new VimFault(typeOf(inner) || 'RuntimeFault', text(error, 'localizedMessage'), inner);
}

interface Meaning {
  readonly code: ErrorCode;
  readonly retry: Retry;
  readonly hint: string;
}

const BUSY: Meaning = {
  code: 'ResourceBusy',
  retry: 'again',
  hint: 'another task works on this object: try again later, or set MAX_RETRIES and BACKOFF_TIME',
};
const UNREACHABLE: Meaning = {
  code: 'HostUnreachable',
  retry: 'again',
  hint: 'see that the host is up and can be reached on this port from this proxy',
};
const NOT_QUIESCED: Meaning = {
  code: 'QuiesceFailed',
  retry: 'again',
  hint: 'look at the guest’s event log (VSS, pre-freeze script); or allow a crash-consistent backup with --quiesce preferred',
};
const MISSING: Meaning = {
  code: 'VmNotFound',
  retry: 'final',
  hint: 'it was removed or registered anew meanwhile: look it up again',
};

/** Leases live in a login session, and end with it. */
const LEASE_ENDED: Meaning = {
  code: 'StreamTorn',
  retry: 'again',
  hint: 'the lease ended, perhaps with its login session: run it again, or set MAX_RETRIES',
};

const MEANINGS: Readonly<Record<string, Meaning>> = {
  InvalidLogin: { code: 'LoginRefused', retry: 'final', hint: 'check user name and password' },
  NoPermission: {
    code: 'NotPermitted',
    retry: 'final',
    hint: 'give the backup user this privilege on the object (docs/privileges.md)',
  },
  TaskInProgress: BUSY,
  ResourceInUse: BUSY,
  ConcurrentAccess: BUSY,
  HostCommunication: UNREACHABLE,
  HostNotConnected: UNREACHABLE,
  HostNotReachable: UNREACHABLE,
  ApplicationQuiesceFault: NOT_QUIESCED,
  FilesystemQuiesceFault: NOT_QUIESCED,
  ManagedObjectNotFound: MISSING,
  InsufficientResourcesFault: { code: 'HostFault', retry: 'again', hint: 'free resources on the host' },
  NoDiskSpace: { code: 'HostFault', retry: 'again', hint: 'free room on the datastore' },
  DuplicateName: { code: 'RestoreTargetExists', retry: 'final', hint: 'give the restored VM another name' },
};

const NETWORK_ERRORS = [
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
];

/** The driver's one place where a vendor's error becomes ours. */
export function translate(what: string, error: unknown): EverthawError {
  if (error instanceof EverthawError) return error;
  if (error instanceof VimFault) {
    const missing =
      error.type === 'ManagedObjectNotFound' ? readRef(child(error.detail, 'obj'))?.type : undefined;
    const meaning = (missing === 'HttpNfcLease' ? LEASE_ENDED : ownEntry(MEANINGS, error.type)) ?? {
      code: 'HostFault',
      retry: 'again',
      hint: 'look at the task in the vSphere Client',
    };
    const privilege = error.type === 'NoPermission' ? text(error.detail, 'privilegeId') : '';
    const why = [error.type, error.message === error.type ? '' : error.message, privilege]
      .filter((part) => part !== '')
      .join(': ');
    return new EverthawError({ ...meaning, what, why, cause: error });
  }
  const code = codeOf(error);
  if (code !== undefined && NETWORK_ERRORS.includes(code)) {
    return new EverthawError({ ...UNREACHABLE, what, why: (error as Error).message, cause: error });
  }
  return new EverthawError({
    code: 'UnexpectedError',
    retry: 'again',
    what,
    why: error instanceof Error ? error.message : String(error),
    hint: 'this is not an error we know: please report it',
    cause: error,
  });
}

/** The system's or undici's code of an error, or of what caused it. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('code' in error && typeof error.code === 'string') return error.code;
  return codeOf(error.cause);
}

import { EverthawError } from '../domain/errors.js';

/** ssh's own exit code for what went wrong with the connection. */
export const SSH_FAILED = 255;

interface Meaning {
  readonly pattern: RegExp;
  readonly why: string;
  readonly hint: string;
  readonly code?: EverthawError['code'];
}

/** Nobody is there to be asked, so that everything that ssh would ask for is refused; no repetition mends it. */
const MEANINGS: readonly Meaning[] = [
  {
    pattern: /REMOTE HOST IDENTIFICATION HAS CHANGED/,
    why: 'its host key is not the one that is known',
    hint: 'see whether it was set up anew or somebody stands between, then take the old key out of known_hosts (ssh-keygen -R)',
    code: 'CertificateRefused',
  },
  {
    pattern: /Host key verification failed|No \S+ host key is known/,
    why: 'its host key is not known',
    hint: 'connect once by hand, as the user that Everthaw runs as, and compare the key',
    code: 'CertificateRefused',
  },
  {
    pattern: /Permission denied \(|Too many authentication failures/,
    why: 'it lets this user in by no key',
    hint: 'put the public key of the user that Everthaw runs as into authorized_keys there; ssh must work without a password',
    code: 'LoginRefused',
  },
];

/** What ssh means that could not connect, or lost its connection. `what` names the host. */
export function sshFault(what: string, said: string): EverthawError {
  const lines = said.split('\n').map((line) => line.trim());
  const meaning = MEANINGS.find(({ pattern }) => pattern.test(said));
  const [reason = 'the connection ended'] = lines.filter((line) => line !== '').slice(-1);
  return new EverthawError({
    code: meaning?.code ?? 'HostUnreachable',
    what,
    why: meaning?.why ?? reason,
    hint: meaning?.hint ?? 'see that ssh gets there, as the user that Everthaw runs as',
    retry: meaning === undefined ? 'again' : 'final',
  });
}

import { stateDirectories } from '../config/directories.js';
import type { Settings } from '../config/settings.js';
import { EverthawError, isErrorWithCode } from '../domain/errors.js';
import type { OwnerRecord } from '../domain/owner.js';
import type { Host } from '../hosts/host.js';
import { openHost } from '../hosts/hostPool.js';
import { isLibvirtUri } from '../hosts/libvirt/connection/libvirtUri.js';
import { HostRegister, type HostAddress, type HostEntry } from '../hosts/register.js';
import { Secret } from '../hosts/secret.js';
import { passwordFor, type AskPassword } from './password.js';

/** A host that the user named: open, and how it goes into the register. */
export interface HostAccess {
  readonly host: Host;
  readonly entry: HostEntry;
  readonly password: Secret;
}

/** Logs in to the host that the settings name. `ask` is for a password that they do not. */
export async function openAccess(settings: Settings, ask?: AskPassword): Promise<HostAccess> {
  const { address, password } = await addressOf(settings, ask);
  const host = await openHost(address, password, undefined, settings.stateDirectory);
  return { host, password, entry: { uuid: host.identity.uuid, ...address } };
}

/** The same of a host that is known by its uuid: nobody logs in. */
export async function accessKnown(
  settings: Settings,
  uuid: string,
): Promise<Pick<HostAccess, 'entry' | 'password'>> {
  const { address, password } = await addressOf(settings);
  return { entry: { uuid, ...address }, password };
}

async function addressOf(
  settings: Settings,
  ask?: AskPassword,
): Promise<{ readonly address: HostAddress; readonly password: Secret }> {
  const address = wanted(settings.host.address, 'the host', '--host', 'EVERTHAW_HOST');
  if (isLibvirtUri(address))
    // libvirt knows this user, or ssh does: there is no password of ours to keep.
    return { address: { kind: 'libvirt', address, settings: settings.libvirt }, password: new Secret('') };
  const { port, caFile, datastoreFloorBytes } = settings.host;
  const username = wanted(settings.host.username, 'the user name', '--username', 'EVERTHAW_USERNAME');
  const thumbprint = await thumbprintFor(settings, address);
  return {
    address: {
      kind: 'vsphere',
      address,
      port,
      username,
      ...(thumbprint === undefined ? {} : { thumbprint }),
      ...(datastoreFloorBytes === undefined ? {} : { datastoreFloorBytes }),
      ...(caFile === undefined ? {} : { caFile }),
    },
    password: await passwordFor(settings, `${username} on "${address}"`, ask),
  };
}

/** What vouches for the host's certificate; VERIFY_SSL_CERTIFICATES=0: the very certificate that it shows now, to the run's end. */
async function thumbprintFor({ host }: Settings, address: string): Promise<string | undefined> {
  if (host.verifyCertificate || host.thumbprint !== undefined || host.caFile !== undefined)
    return host.thumbprint;
  const { shownThumbprint } = await import('../hosts/vsphere/trust.js');
  const shown = await shownThumbprint(address, host.port);
  console.error(
    `warning: nobody vouches for the certificate of "${address}" (VERIFY_SSL_CERTIFICATES=0): it is believed, and so is whoever shows it. Its thumbprint is ${shown}`,
  );
  return shown;
}

/** Puts the host into this proxy's register under the name of a loan. */
export async function lendHost(
  settings: Settings,
  { entry, password }: Pick<HostAccess, 'entry' | 'password'>,
  loan: string,
  borrower?: OwnerRecord,
): Promise<void> {
  await new HostRegister(stateDirectories(settings).hosts).lend(entry, password, loan, borrower);
}

/**
 * Starts a run with the host lent to it before, so that it can always clean up; the run gives it back. Only where it is
 * certain that no run was started, the loan ends here: after any other failure one may be living that needs it.
 */
export async function startWithLoan<T extends { readonly firstExecutionRunId: string }>(
  settings: Settings,
  access: HostAccess,
  { loan, borrower }: { readonly loan: string; readonly borrower: OwnerRecord },
  start: () => Promise<T>,
): Promise<T> {
  const { uuid } = access.entry;
  const register = new HostRegister(stateDirectories(settings).hosts);
  await lendHost(settings, access, loan, borrower);
  try {
    const run = await start();
    // Its first step notes the same: one that is ended before has a loan that can be told to be nobody's, too.
    await register.assign(uuid, loan, { ...borrower, runId: run.firstExecutionRunId });
    return run;
  } catch (error) {
    if (isErrorWithCode(error, 'VmInUse')) await register.settle(uuid, loan);
    throw error;
  }
}

function wanted(value: string | undefined, what: string, flag: string, variable: string): string {
  if (value !== undefined && value !== '') return value;
  throw new EverthawError({
    code: 'WrongUsage',
    what: 'log in',
    why: `${what} is not given`,
    hint: `give ${flag}, set ${variable}, or name it in everthaw.yaml`,
  });
}

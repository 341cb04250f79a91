import { access, constants, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { environmentWith } from '../config/settings.js';
import { EverthawError, messageOf } from '../domain/errors.js';

/** Newest release whose module `go install` can build (its go.mod has no replace); it holds server 1.29.1 and UI 2.42.1. */
const PINNED_VERSION = 'v1.5.1';
const GO_MODULE = `github.com/temporalio/cli/cmd/temporal@${PINNED_VERSION}`;
const DOWNLOAD_TIMEOUT_MS = 120_000;

export interface ProgramWishes {
  readonly program: string | undefined;
  readonly path: string;
  readonly cacheDirectory: string;
}

/**
 * Finds the `temporal` program, which no npm or Debian package holds: given, on the PATH, in the cache, by the SDK's download,
 * or built from its Go module.
 */
export async function resolveTemporal(wishes: ProgramWishes, say: (line: string) => void): Promise<string> {
  const found = await findTemporal(wishes);
  if (found !== undefined) return found;
  const bin = binOf(wishes);
  await mkdir(bin, { recursive: true });
  const reasons: string[] = [];
  for (const [name, fetch] of [
    ['the SDK’s download', download],
    [`go install ${GO_MODULE}`, goInstall],
  ] as const) {
    say(`Temporal server: trying ${name} …`);
    try {
      await fetch(bin, say);
      return join(bin, 'temporal');
    } catch (error) {
      reasons.push(`${name}: ${messageOf(error).split('\n', 1)[0] ?? ''}`);
      say(`Temporal server: ${name} did not work (${messageOf(error).split('\n', 1)[0] ?? ''})`);
    }
  }
  throw missing(reasons.join('; '));
}

/** The program where it is on this machine already. @throws EverthawError ProgramMissing where a wrong one was given */
export async function findTemporal(wishes: ProgramWishes): Promise<string | undefined> {
  const { program, path } = wishes;
  if (program !== undefined) {
    if (await isExecutable(program)) return program;
    throw missing(`"${program}", which EVERTHAW_TEMPORAL names, is no program`);
  }
  for (const directory of [binOf(wishes), ...path.split(delimiter)]) {
    const candidate = join(directory, 'temporal');
    if (directory !== '' && (await isExecutable(candidate))) return candidate;
  }
  return undefined;
}

function binOf({ cacheDirectory }: ProgramWishes): string {
  return join(cacheDirectory, 'bin');
}

/** The SDK's own way to a development server: it leaves the program in a directory of our choice. */
async function download(bin: string): Promise<void> {
  const { TestWorkflowEnvironment } = await import('@temporalio/testing');
  const directory = join(bin, 'download');
  await mkdir(directory, { recursive: true });
  const started = TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'cached-download', version: PINNED_VERSION, downloadDir: directory },
      ui: false,
    },
  });
  started.then((environment) => environment.teardown()).catch(() => undefined);
  const timeout = new Promise<never>((_, reject) => {
    setTimeout(() => {
      reject(new Error(`no answer within ${DOWNLOAD_TIMEOUT_MS / 1000} s`));
    }, DOWNLOAD_TIMEOUT_MS).unref();
  });
  await Promise.race([started, timeout]);
  const [file] = await readdir(directory);
  if (file === undefined) throw new Error('nothing was downloaded');
  await rename(join(directory, file), join(bin, 'temporal'));
  await rm(directory, { recursive: true, force: true });
}

async function goInstall(bin: string, say: (line: string) => void): Promise<void> {
  say('Temporal server: building it takes about 5 minutes on 2 cores, once …');
  const started = Date.now();
  let modules = 0;
  const timer = setInterval(() => {
    say(`Temporal server: ${Math.round((Date.now() - started) / 1000)} s, ${modules} modules fetched …`);
  }, 30_000);
  // Built aside: Go may copy it across file systems, and a copy that breaks off would be taken for the program ever after.
  const aside = await mkdtemp(join(bin, 'new-'));
  try {
    await new Promise<void>((resolve, reject) => {
      const child = spawn('go', ['install', '-trimpath', '-ldflags=-s -w', GO_MODULE], {
        stdio: ['ignore', 'ignore', 'pipe'],
        // A build needs the user's whole environment: proxies, certificates, module settings.
        env: environmentWith({ GOBIN: aside, GOFLAGS: '-buildvcs=false' }),
      });
      let last = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        modules += text.split('downloading').length - 1;
        last = text.trim().split('\n').at(-1) ?? last;
      });
      child.once('error', reject);
      child.once('close', (code) => {
        if (code === 0) resolve();
        else reject(new Error(last));
      });
    });
    await rename(join(aside, 'temporal'), join(bin, 'temporal'));
  } finally {
    clearInterval(timer);
    await rm(aside, { recursive: true, force: true });
  }
}

function missing(why: string): EverthawError {
  return new EverthawError({
    code: 'ProgramMissing',
    what: 'find the Temporal server',
    why,
    hint: `put a temporal program on the PATH or name it in EVERTHAW_TEMPORAL, install Go (https://go.dev), or name a running server in TEMPORAL_ADDRESS`,
  });
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

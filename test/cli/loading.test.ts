import { expect, it } from 'vitest';
import { EVERTHAW } from '../lab/programs.js';
import { run } from '../lab/run.js';

/** Tells each module that is imported, on standard error. */
const TELL = `export async function load(url, context, next) {
  if (!url.startsWith('node:')) process._rawDebug('loads ' + url);
  return next(url, context);
}`;
const REGISTER = `import { register } from 'node:module'; register(${JSON.stringify(moduleOf(TELL))});`;

it.each(['--help', '--version', 'backup --help', 'restore --help', 'cleanup --help', 'list --help'])(
  'what a command does not work with is not loaded: everthaw %s',
  async (words) => {
    const args = [`--import=${moduleOf(REGISTER)}`, EVERTHAW, ...words.split(' ')];
    const { stderr } = await run(process.execPath, args);
    expect(packagesOf(stderr)).toEqual(['commander']);
  },
);

function moduleOf(source: string): string {
  return `data:text/javascript,${encodeURIComponent(source)}`;
}

/** The npm packages of which something was loaded. */
function packagesOf(told: string): readonly string[] {
  const names = [...told.matchAll(/^loads .*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//gm)].map(
    ([, name]) => name,
  );
  return [...new Set(names)].filter((name) => name !== undefined);
}

import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError, show, step } from './report.mjs';
import { ROOT } from './paths.mjs';

const STAMP = join(ROOT, 'node_modules', '.everthaw-lock');

/** Installs what package-lock.json names, when node_modules holds something else. */
export async function installDependencies() {
  const lock = createHash('sha256')
    .update(readFileSync(join(ROOT, 'package-lock.json')))
    .digest('hex');
  if (readStamp() === lock) return;
  await step('npm packages', async () => {
    // NODE_ENV=production would leave out what builds and tests; no package here needs its install script.
    const code = await show('npm', ['ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund'], {
      cwd: ROOT,
    });
    if (code !== 0) {
      throw new SetupError(
        `npm ci failed (exit ${code}; npm says why above)`,
        'see that the registry answers (npm ping), then start again',
      );
    }
  });
  writeFileSync(STAMP, lock);
}

function readStamp() {
  try {
    return readFileSync(STAMP, 'utf8');
  } catch {
    return undefined;
  }
}

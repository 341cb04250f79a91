import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError, show } from './report.mjs';
import { ROOT } from './paths.mjs';

const DIST = join(ROOT, 'dist');
const BUNDLE = join(DIST, 'src/workflows.bundle.js');
const COMPILER = join(ROOT, 'node_modules/typescript/bin/tsc');

/** What goes into the workflow bundle besides npm packages. */
const BUNDLED = ['src/workflows', 'src/domain'].map((folder) => join(DIST, folder));

/** Compiles what changed, and bundles the workflows anew if they did. */
export async function build() {
  const code = await show(process.execPath, [COMPILER, '-b'], { cwd: ROOT });
  if (code !== 0) throw new SetupError('the sources do not compile', 'mend what tsc says above');
  removeOrphans();
  if (isBundleNew()) return;
  const bundled = await show(process.execPath, [join(DIST, 'src/temporal/bundle.js')], { cwd: ROOT });
  if (bundled !== 0) {
    throw new SetupError(
      'the workflows cannot be bundled',
      'they may import nothing that does I/O: see the message above',
    );
  }
}

/** A test whose source was deleted would otherwise still run. */
function removeOrphans() {
  for (const folder of ['src', 'test', 'bench'].map((name) => join(DIST, name))) {
    for (const file of filesIn(folder)) {
      if (file === BUNDLE) continue;
      const source = join(ROOT, relative(DIST, file).replace(/(\.d\.ts|\.js|\.js\.map)$/, '.ts'));
      if (!existsSync(source)) rmSync(file);
    }
  }
}

function isBundleNew() {
  if (!existsSync(BUNDLE)) return false;
  const inputs = [...BUNDLED.flatMap(filesIn), join(ROOT, 'node_modules/.package-lock.json')];
  const made = statSync(BUNDLE).mtimeMs;
  return inputs.every((file) => statSync(file).mtimeMs <= made);
}

export function filesIn(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await build();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(`build: ${error.message}: ${error.hint}`);
    process.exitCode = 1;
  }
}

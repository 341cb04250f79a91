import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { filesIn } from './build.mjs';
import { SetupError, show } from './report.mjs';
import { CACHE, ROOT } from './paths.mjs';

const SOURCES = join(ROOT, 'test/lab/vcenter');
const LAB = join(CACHE, 'lab');
const STAMP = join(LAB, 'sources');
const PROGRAMS = ['vcenter', 'govc'];

/** Whether the lab's programs were built from the Go sources that are here. */
export function isLabBuilt() {
  return (
    PROGRAMS.every((program) => existsSync(join(LAB, program))) &&
    existsSync(STAMP) &&
    readFileSync(STAMP, 'utf8') === hashOfSources()
  );
}

export async function buildLab() {
  mkdirSync(LAB, { recursive: true });
  // Built aside and renamed: a lab that is running keeps its program, and a build that breaks off leaves none.
  const aside = mkdtempSync(join(LAB, 'new-'));
  try {
    const packages = PROGRAMS.map((program) => `./${program}`);
    const code = await show(
      'go',
      ['build', '-trimpath', '-buildvcs=false', '-ldflags=-s -w', '-o', `${aside}/`, ...packages],
      { cwd: SOURCES },
    );
    if (code !== 0) {
      throw new SetupError(
        `the lab's vCenter cannot be built (go ended with ${code}; it says why above)`,
        'see that the module proxy answers (go env GOPROXY), then start again',
      );
    }
    rmSync(STAMP, { force: true });
    for (const program of PROGRAMS) renameSync(join(aside, program), join(LAB, program));
    writeFileSync(STAMP, hashOfSources());
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

function hashOfSources() {
  const hash = createHash('sha256');
  const files = filesIn(SOURCES).filter((file) => /\.go$|go\.(mod|sum)$/.test(file));
  for (const file of files.sort()) hash.update(`${relative(SOURCES, file)}\0`).update(readFileSync(file));
  return hash.digest('hex');
}

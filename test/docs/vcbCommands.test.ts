import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { programs } from '../../src/cli/programs.js';
import { makeDisk } from '../lab/disks.js';
import { installed } from '../lab/historic.js';
import { Lab } from '../lab/lab.js';
import { leftovers } from '../lab/leftovers.js';
import { GOVC } from '../lab/programs.js';
import { run } from '../lab/run.js';
import { labTemporal } from '../lab/temporal.js';

const PAGE = await readFile(new URL('../../../docs/vcb-commands.md', import.meta.url), 'utf8');
const HISTORIC = programs().filter((program) => program.name() !== 'everthaw');

/** A command of the page, and what it is said to print. */
interface Said {
  readonly command: string;
  readonly output: string;
}

function saidOnPage(): readonly Said[] {
  const blocks = [...PAGE.matchAll(/^```console\n(.*?)^```$/gms)].map(([, block = '']) => block);
  return blocks.flatMap((block) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((each) => {
        const [command = '', ...lines] = each.split('\n');
        return { command, output: lines.join('\n') };
      }),
  );
}

/** Without lines of progress, which depend on the moment, and with a word for each number that does. */
function comparable(output: string): readonly string[] {
  return output
    .split('\n')
    .filter((line) => line !== '' && !/^(\w+ …$|disk |upload |import |in all|verify|export )/.test(line))
    .map((line) =>
      line
        .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z?/g, 'TIME')
        .replace(/\b[0-9a-f]{64}\b/g, 'HASH')
        .replace(/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, 'UUID')
        .replace(/\bvm-\d+\b/g, 'MOREF')
        .replace(/[\d.]+ (B|KiB|MiB|GiB|TiB)/g, 'SIZE')
        .replace(/[\d.]+ (ms|s|min)\b/g, 'DURATION')
        .replace(/\/\S*LocalDS_/g, '/LocalDS_')
        .replace(/ +/g, ' ')
        .trimEnd(),
    );
}

/** The historic programs by their names, and govc. */
async function makePrograms(directory: string): Promise<void> {
  await mkdir(directory);
  for (const program of HISTORIC) {
    const file = program.name().replace(/-c/, 'C');
    const path = fileURLToPath(new URL(`../../src/cli/${file}.js`, import.meta.url));
    const script = join(directory, program.name());
    await writeFile(script, `#!/bin/sh\nexec ${process.execPath} ${path} "$@"\n`);
    await chmod(script, 0o755);
  }
  await symlink(GOVC, join(directory, 'govc'));
}

describe('docs/vcb-commands.md', () => {
  it.each(HISTORIC.map((program) => [program.name(), program] as const))(
    'names every flag of %s',
    (name, program: Command) => {
      const own = PAGE.split(/^## /m).find((section) => section.startsWith(`\`${name}\`\n`)) ?? '';
      const text = `${own}\n${PAGE.split(/^## /m).find((section) => section.startsWith('In all')) ?? ''}`;
      for (const { short, long } of program.options)
        expect(text).toMatch(new RegExp(`\`${short ?? long ?? ''}[\` ]`));
      for (const argument of program.registeredArguments)
        expect(text).toContain(argument.argChoices?.join('|') ?? `<${argument.name()}>`);
    },
  );

  it('says what the programs print', async () => {
    const disk = await makeDisk('system', 64, 24);
    const disks = [{ ...disk, unit: 0 }];
    const lab = await Lab.start(
      [
        { name: 'db1', disks },
        { name: 'web', disks, powerOn: false },
      ],
      labTemporal(),
    );
    try {
      const bin = join(lab.everthaw.directory, 'bin');
      await makePrograms(bin);
      const installPath = await installed(lab, 'TRANSPORT_MODE="nbdssl";');
      const PATH = `${bin}:${process.env['PATH'] ?? ''}`;
      const env = { ...lab.everthaw.environment, ...lab.vcenter.govcEnvironment(), PATH };
      const { backups } = lab.everthaw;
      for (const { command, output } of saidOnPage()) {
        const line = command.replaceAll('/backups', backups).replaceAll('/opt/vcb', installPath);
        const { stdout } = await run('bash', ['-c', `${line} 2>&1`], { env, mayFail: true });
        const printed = stdout.replaceAll(backups, '/backups').replaceAll(installPath, '/opt/vcb');
        expect({ command, printed: comparable(printed) }).toEqual({ command, printed: comparable(output) });
      }
      expect(await leftovers(lab)).toEqual([]);
    } finally {
      await lab.stop();
    }
  }, 240_000);
});

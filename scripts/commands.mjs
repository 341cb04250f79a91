#!/usr/bin/env node
// Writes docs/commands.md from the definitions of the commands themselves. With --check it writes nothing, and fails where it says
// something else.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { programs } from '../dist/src/cli/programs.js';
import { ROOT } from './setup/paths.mjs';

const DOCUMENT = join(ROOT, 'docs/commands.md');
const WIDTH = 110;

function helpOf(command) {
  let help = '';
  command.configureOutput({
    writeOut: (text) => (help += text),
    getOutHelpWidth: () => WIDTH,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return help.trimEnd();
}

/** `everthaw config show`. */
function nameOf(command) {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
}

function sectionsOf(command) {
  const heading = `## \`${nameOf(command)}\`\n\n\`\`\`text\n${helpOf(command)}\n\`\`\`\n`;
  const below = command
    .createHelp()
    .visibleCommands(command)
    .filter((each) => each.name() !== 'help');
  return [heading, ...below.flatMap(sectionsOf)];
}

const text = [
  '# Commands\n',
  'What `--help` says of each program and command. Made by `npm run generate`, from what the programs themselves read. Who comes from VCB: [vcb-commands.md](vcb-commands.md).\n',
  ...programs().flatMap(sectionsOf),
].join('\n');
const made = await format(text, { ...(await resolveConfig(DOCUMENT)), filepath: DOCUMENT });
let before = '';
try {
  before = readFileSync(DOCUMENT, 'utf8');
} catch {
  // It is written for the first time.
}
if (made !== before && process.argv.includes('--check')) {
  console.error(`${DOCUMENT} is not up to date: npm run build && npm run generate`);
  process.exitCode = 1;
} else if (made !== before) {
  writeFileSync(DOCUMENT, made);
  console.log(`wrote ${DOCUMENT}`);
}

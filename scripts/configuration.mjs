#!/usr/bin/env node
// Writes what docs/configuration.md and schemas/everthaw.schema.json say of the settings, from the table of settings itself.
// With --check it writes nothing, and fails where one of them says something else.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import * as z from 'zod';
import { CONF_VARIABLES } from '../dist/src/config/backuptoolsConf.js';
import { CONFIG_JS_OPTIONS, configJsDefaults, configJsKind } from '../dist/src/config/configJs.js';
import { EVERTHAW_YAML } from '../dist/src/config/everthawYaml.js';
import { allowedOf } from '../dist/src/config/kind.js';
import { declarationOf, longFlag, SETTING_NAMES } from '../dist/src/config/settingTable.js';
import { ROOT } from './setup/paths.mjs';

const DOCUMENT = join(ROOT, 'docs/configuration.md');
const SCHEMA = join(ROOT, 'schemas/everthaw.schema.json');

const row = (...cells) =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('<', '&lt;')).join(' | ')} |\n`;
const code = (text) => (text === undefined ? '' : `\`${text}\``);
const table = (head, rows) =>
  row(...head) + row(...head.map(() => '---')) + rows.map((cells) => row(...cells)).join('');

function usual({ default: value, defaultTold }) {
  return defaultTold ?? (value === undefined ? '' : code(String(value)));
}

function yamlKey({ section, key }) {
  if (section === undefined) return '';
  const before = {
    top: '',
    proxy: '',
    temporal: 'temporal.',
    defaults: 'defaults.',
    vsphere: 'hosts.*.',
    libvirt: 'hosts.*.',
  };
  return code(before[section] + key);
}

function settings() {
  const rows = SETTING_NAMES.map(declarationOf)
    .filter(({ env }) => env !== undefined)
    .map((each) => [
      each.what,
      code(each.env),
      each.kind.is === 'secret' || each.flag === undefined ? '' : code(longFlag(each.flag)),
      yamlKey(each),
      each.kind.is === 'secret' ? 'a text' : allowedOf(each.kind),
      usual(each),
    ]);
  return table(['what', 'environment', 'flag', 'everthaw.yaml', 'allowed', 'default'], rows);
}

function configJs() {
  const own = new Map(configJsDefaults('').map(({ setting, value }) => [setting, value]));
  const required = ['BACKUPROOT', 'HOST', 'USERNAME', 'PASSWORD'];
  const rows = [...CONFIG_JS_OPTIONS].map(([option, setting]) => [
    code(option),
    allowedOf(configJsKind(setting)),
    required.includes(option)
      ? 'none: must be given'
      : usual({
          ...declarationOf(setting),
          ...(own.has(setting) ? { default: own.get(setting), defaultTold: undefined } : {}),
        }),
    option === 'TRANSPORT_MODE'
      ? 'how disks are read'
      : declarationOf(setting).what.replace(/^[A-Z_]{5,}: /, ''),
  ]);
  return table(['option', 'allowed', 'default', 'what'], rows);
}

function conf() {
  const rows = [...CONF_VARIABLES].map(([variable, setting]) => [
    code(variable),
    declarationOf(setting).what.replace(/^[A-Z_]{5,}: /, ''),
  ]);
  return table(['variable', 'what'], rows);
}

/** Puts each table between its marks. */
function document(text) {
  return Object.entries({ settings, configJs, conf }).reduce((whole, [name, write]) => {
    const [start, end] = [`<!-- ${name}: made by npm run generate -->`, `<!-- end of ${name} -->`];
    const [from, to] = [whole.indexOf(start), whole.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`docs/configuration.md has no marks of "${name}"`);
    return `${whole.slice(0, from + start.length)}\n\n${write()}\n${whole.slice(to)}`;
  }, text);
}

function schema() {
  const made = z.toJSONSchema(EVERTHAW_YAML, { io: 'input' });
  return JSON.stringify({ ...made, title: 'everthaw.yaml' });
}

async function pretty(file, text) {
  return format(text, { ...(await resolveConfig(file)), filepath: file });
}

const before = (file) => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
};
for (const [file, text] of [
  [DOCUMENT, document(before(DOCUMENT))],
  [SCHEMA, schema()],
]) {
  const made = await pretty(file, text);
  if (made === before(file)) continue;
  if (process.argv.includes('--check')) {
    console.error(`${file} is not up to date: npm run build && npm run generate`);
    process.exitCode = 1;
  } else {
    writeFileSync(file, made);
    console.log(`wrote ${file}`);
  }
}

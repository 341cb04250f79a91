// Reads vitest's results and ends with the line "N passed, N failed"; fails unless every test ran and passed.
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';

const [file] = process.argv.slice(2);
const { testResults } = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { testResults: [] };
const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
const named = (...states) => tests.filter(({ status }) => states.includes(status));

const passed = named('passed').length;
const failed = named('failed');
// A file whose set-up failed reports its tests as skipped, or none at all.
const brokenFiles = testResults.filter(
  ({ status, assertionResults }) =>
    status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
);
const skipped = tests.length - passed - failed.length;

for (const { fullName } of failed) console.log(`failed: ${fullName}`);
for (const { name, message } of brokenFiles)
  console.log(`failed: ${relative(process.cwd(), name)}: ${message}`);
for (const { fullName } of named('skipped', 'pending', 'todo', 'disabled'))
  console.log(`skipped: ${fullName}`);
if (skipped > 0)
  console.log('A test is skipped only where something that it needs is missing, and CI has everything.');
if (tests.length === 0) console.log('No test ran.');

const failures = failed.length + brokenFiles.length;
console.log(`${passed} passed, ${failures} failed`);
process.exitCode = failures > 0 || skipped > 0 || passed === 0 ? 1 : 0;

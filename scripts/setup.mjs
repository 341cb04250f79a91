#!/usr/bin/env node
// Makes a fresh machine ready for `npm run demo`, `npm test` and `npm run bench`; quick when all is there.
import { build } from './setup/build.mjs';
import { installDependencies } from './setup/dependencies.mjs';
import { buildGuest, isGuestBuilt } from './setup/guest.mjs';
import { buildLab, isLabBuilt } from './setup/lab.mjs';
import { requireGo, requireNode, requirePlatform } from './setup/machine.mjs';
import { installPackages } from './setup/packages.mjs';
import { SetupError, step } from './setup/report.mjs';
import { resolveServer } from './setup/temporal.mjs';
import { fetchUnpacked, missingUnpacked } from './setup/unpacked.mjs';

const startedAt = Date.now();
try {
  requireNode();
  requirePlatform();
  await installPackages();
  // Before the slow steps, so that a missing compiler is told now and not in five minutes.
  if (!isLabBuilt() || !isGuestBuilt()) await requireGo();
  await installDependencies();
  await step('build', build);
  if (!isLabBuilt()) await step('lab vCenter and govc (about a minute)', buildLab);
  if (!isGuestBuilt()) await step('lab guest', buildGuest);
  for (const each of missingUnpacked()) await step(`lab ${each.name}`, () => fetchUnpacked(each));
  await resolveServer();
  console.log(`set-up: all is there (${((Date.now() - startedAt) / 1000).toFixed(1)} s)`);
  // A download of the Temporal server that timed out may still hold its connection open.
  process.exit(0);
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`\nset-up stopped: ${error.message}\n  What to do: ${error.hint}`);
  process.exit(1);
}

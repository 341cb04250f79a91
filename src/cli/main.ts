#!/usr/bin/env node
import { everthaw } from './program.js';
import { Output } from './output.js';

try {
  await everthaw().parseAsync();
} catch (error) {
  process.exitCode = new Output(process.argv.includes('--json')).error(error);
  // A command that failed may still hold a connection open.
  process.exit();
}

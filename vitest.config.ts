import { defineConfig } from 'vitest/config';

// The tests run on what `tsc` wrote, so that they see the very files that ship: child processes, the workflow
// bundle and import paths included.
export default defineConfig({
  test: {
    include: ['dist/test/**/*.test.js'],
    globalSetup: ['dist/test/lab/globalSetup.js'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Most of a run is waiting: for time-outs, throttled streams, Temporal.
    maxWorkers: 2,
    reporters: process.env['CI']
      ? ['default', ['json', { outputFile: 'dist/test-results.json' }]]
      : ['default'],
  },
});

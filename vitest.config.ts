import { defineConfig } from 'vitest/config';

// The tests run on what `tsc` wrote, so that they see the very files that ship: child processes, the workflow
// bundle and import paths included.
export default defineConfig({
  test: {
    include: ['dist/test/**/*.test.js'],
    globalSetup: ['dist/test/lab/globalSetup.js'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // One file at a time: workers of all files serve the same workflow queue, and some files kill theirs. Another file's run
    // would then wait for the time-out of a workflow task that a dead worker had taken.
    fileParallelism: false,
    reporters: process.env['CI']
      ? ['default', ['json', { outputFile: 'dist/test-results.json' }]]
      : ['default'],
  },
});

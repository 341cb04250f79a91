import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** Imports go one way (docs/architecture.md). Each rule says why, so that the error explains itself. */
function mayNotImport(files, folders, why) {
  return {
    files,
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: folders.map((folder) => ({
            regex: folder,
            message: why,
          })),
        },
      ],
    },
  };
}

export default tseslint.config(
  { ignores: ['dist', 'node_modules'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: true,
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/prefer-nullish-coalescing': 'error',
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      'no-restricted-properties': [
        'error',
        {
          object: 'process',
          property: 'env',
          message:
            'src/config is the only reader of the environment: a setting has one place where it is read.',
        },
      ],
    },
  },
  mayNotImport(
    ['src/domain/**'],
    [
      '\\.\\./(cli|requests|config|workflows|activities|checks|holdings|hosts|disks|destinations|temporal|system|volumes|mounts|integrations|notifications)/',
      '^@temporalio/',
      '^node:',
    ],
    'domain is pure: it runs inside workflows and in every other layer.',
  ),
  mayNotImport(
    ['src/workflows/**'],
    [
      '\\.\\./(cli|requests|config|checks|holdings|hosts|disks|destinations|temporal|system|volumes|mounts|integrations|notifications)/',
      '^node:',
      '^zod',
    ],
    'workflows are deterministic and import nothing that does I/O.',
  ),
  {
    files: ['src/workflows/**'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              group: ['../activities/*'],
              allowTypeImports: true,
              message: 'workflows know activities by type only: a value import would bundle their I/O.',
            },
          ],
        },
      ],
    },
  },
  mayNotImport(
    ['src/hosts/**', 'src/disks/**', 'src/destinations/**'],
    [
      '\\.\\./(cli|requests|config|workflows|activities|checks|holdings|temporal|volumes|mounts|integrations)/',
      '^@temporalio/',
    ],
    'drivers know nothing of Temporal or of who calls them, so that each can be proved on its own.',
  ),
  mayNotImport(
    ['src/system/**'],
    [
      '\\.\\./(cli|requests|config|workflows|activities|checks|holdings|hosts|disks|destinations|temporal|volumes|mounts|integrations)/',
      '^@temporalio/',
    ],
    'processes and waiting are below everything else.',
  ),
  mayNotImport(
    ['src/volumes/**'],
    [
      '\\.\\./(cli|requests|config|workflows|activities|checks|holdings|hosts|destinations|temporal|mounts|integrations)/',
      '^@temporalio/',
    ],
    'a guest’s volumes are read from images alone, whoever asks.',
  ),
  mayNotImport(
    ['src/mounts/**'],
    [
      '\\.\\./(cli|requests|config|workflows|activities|checks|holdings|destinations|temporal|integrations)/',
      '^@temporalio/',
    ],
    'what keeps volumes mounted outlives the worker, and knows nothing of runs.',
  ),
  mayNotImport(
    ['src/integrations/**'],
    [
      '\\.\\./(cli|requests|config|workflows|activities|checks|holdings|hosts|temporal|mounts)/',
      '^@temporalio/',
    ],
    'modules move directories, wherever they come from: whoever calls them mounted or exported them.',
  ),
  mayNotImport(
    ['src/report/**'],
    ['\\.\\./(?!domain/)', '^@temporalio/', '^node:'],
    'a page is made of what is known, by nobody who finds it out.',
  ),
  mayNotImport(
    ['src/notifications/**'],
    [
      '\\.\\./(cli|requests|config|workflows|activities|checks|holdings|hosts|disks|destinations|temporal|volumes|mounts|integrations)/',
      '^@temporalio/',
    ],
    'whoever is told knows nothing of how it came about.',
  ),
  mayNotImport(
    ['src/holdings/**'],
    ['\\.\\./(cli|requests|config|workflows|activities|checks|temporal|integrations)/', '^@temporalio/'],
    'releasing works without Temporal too (vcbCleanup --offline).',
  ),
  mayNotImport(
    ['src/checks/**'],
    [
      '\\.\\./(cli|requests|config|workflows|activities|holdings|temporal|mounts|integrations)/',
      '^@temporalio/',
    ],
    'what is refused is the same whether a run asks or a person before there is one.',
  ),
  mayNotImport(
    ['src/activities/**'],
    ['\\.\\./(cli|requests|config|workflows)/'],
    'activities are called by workflows and composed by the worker; they know neither.',
  ),
  { files: ['src/config/**'], rules: { 'no-restricted-properties': 'off' } },
  {
    files: ['test/**', 'bench/**', 'vitest.config.ts'],
    rules: { 'no-restricted-properties': 'off', '@typescript-eslint/no-non-null-assertion': 'off' },
  },
  { files: ['**/*.js', '**/*.mjs', 'vitest.config.ts'], ...tseslint.configs.disableTypeChecked },
  {
    // They run before anything is built, and so cannot ask src/config.
    files: ['scripts/**', '.ci/**'],
    rules: { 'no-restricted-properties': 'off', 'no-undef': 'off' },
  },
);

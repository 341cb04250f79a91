import type { ModuleChoice } from '../domain/moduleChoice.js';
import { command } from './command.js';
import type { IntegrationModule } from './module.js';
import { rclone } from './rclone.js';
import { restic } from './restic.js';
import { tar } from './tar.js';

/** The module that a run was told to take. */
export function moduleOf(choice: ModuleChoice): IntegrationModule {
  switch (choice.name) {
    case 'tar':
      return tar;
    case 'restic':
      return restic(choice.repository);
    case 'rclone':
      return rclone(choice.destination);
    case 'command':
      return command(choice.words);
  }
}

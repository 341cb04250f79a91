import type { Harm } from '../harm.js';
import { fillDestination } from './destination.js';
import {
  killLibvirtd,
  killLibvirtdAndWorker,
  killVirsh,
  powerCycle,
  stopLibvirtd,
  suspend,
} from './libvirt.js';
import { cancel, cancelAndKill, cancelTwice, stopAfter, terminate, terminateAndKill } from './run.js';
import { cutSsh, killSshd, stallSsh } from './ssh.js';
import { foreignSweeper, secondSweeper } from './sweeper.js';
import { cutFromServer, killServer, killServerAndWorker } from './temporal.js';
import {
  delayCalls,
  endSessions,
  failCall,
  hangCalls,
  moveVm,
  outage,
  registerAgain,
  renameVm,
  tearStream,
} from './vsphere.js';
import {
  endWorker,
  jumpClock,
  killChild,
  killWorker,
  reboot,
  replaceMachine,
  replaceStoppedWorker,
  stopWorker,
} from './worker.js';

/** Everything that is done to runs. */
export const HARMS: readonly Harm[] = [
  killWorker,
  endWorker,
  stopWorker,
  replaceStoppedWorker,
  reboot,
  replaceMachine,
  jumpClock,
  killChild,
  cancel,
  cancelTwice,
  cancelAndKill,
  stopAfter,
  terminate,
  terminateAndKill,
  killServer,
  killServerAndWorker,
  cutFromServer,
  failCall,
  delayCalls,
  hangCalls,
  endSessions,
  outage,
  tearStream,
  renameVm,
  moveVm,
  registerAgain,
  killLibvirtd,
  killLibvirtdAndWorker,
  stopLibvirtd,
  killVirsh,
  powerCycle,
  suspend,
  cutSsh,
  stallSsh,
  killSshd,
  fillDestination,
  foreignSweeper,
  secondSweeper,
];

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
import { cancel, cancelAndKill, cancelTwice, terminate, terminateAndKill } from './run.js';
import { foreignSweeper, secondSweeper } from './sweeper.js';
import { cutFromServer, killServer, killServerAndWorker } from './temporal.js';
import {
  delayCalls,
  endSessions,
  failCall,
  hangCalls,
  outage,
  registerAgain,
  renameVm,
  tearStream,
} from './vsphere.js';
import { endWorker, killChild, killWorker, reboot, replaceStoppedWorker, stopWorker } from './worker.js';

/** Everything that is done to runs. */
export const HARMS: readonly Harm[] = [
  killWorker,
  endWorker,
  stopWorker,
  replaceStoppedWorker,
  reboot,
  killChild,
  cancel,
  cancelTwice,
  cancelAndKill,
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
  registerAgain,
  killLibvirtd,
  killLibvirtdAndWorker,
  stopLibvirtd,
  killVirsh,
  powerCycle,
  suspend,
  fillDestination,
  foreignSweeper,
  secondSweeper,
];

import { setTimeout as sleep } from 'node:timers/promises';
import { nothing, type Harm } from '../harm.js';
import { VsphereScene } from '../scenes/vsphereScene.js';
import type { Scene } from '../scene.js';

const ONLY_VSPHERE = ['vsphere'] as const;

/** Calls of a backup and of a restore that a host may fail, each in its own way. */
const CALLS = [
  'RetrievePropertiesEx',
  'CreateSnapshot_Task',
  'RemoveSnapshot_Task',
  'ExportSnapshot',
  'HttpNfcLeaseProgress',
  'HttpNfcLeaseComplete',
  'HttpNfcLeaseAbort',
  'ImportVApp',
  'RegisterVM_Task',
  'ReconfigVM_Task',
  'Rename_Task',
  'Destroy_Task',
  'Login',
  'CurrentTime',
] as const;

/** Of the lab's one data center. */
const VM_FOLDER = '/DC0/vm';

const FAULTS = ['HostCommunication', 'TaskInProgress', 'InvalidState', 'SystemError'] as const;

function vcenterOf(scene: Scene) {
  if (!(scene instanceof VsphereScene)) throw new Error('this harm is for vSphere only');
  return scene.vcenter;
}

export const failCall: Harm = {
  name: 'fail a call',
  hosts: ONLY_VSPHERE,
  when: 'at a moment',
  demand: 'released',
  async strike({ scene, chance, pick }) {
    const vcenter = vcenterOf(scene);
    const method = pick(CALLS);
    const fault = pick(FAULTS);
    const inTask = method.endsWith('_Task') && pick([true, false]);
    const afterEffect = pick([true, false]);
    const count = Math.ceil(chance(0, 3));
    await vcenter.fault({ method, fault, count, inTask, afterEffect });
    const how = `${inTask ? ' in its task' : ''}${afterEffect ? ' after its effect' : ''}`;
    // The rule stays until it has been used up or the case is over.
    return { told: `${count} × ${fault} of ${method}${how}`, mend: nothing };
  },
};

export const delayCalls: Harm = {
  name: 'delay all calls',
  hosts: ONLY_VSPHERE,
  when: 'at a moment',
  demand: 'succeeded',
  async strike({ scene, chance }) {
    const vcenter = vcenterOf(scene);
    const delayMs = Math.round(chance(100, 1500));
    await vcenter.fault({ method: '*', delayMs });
    await sleep(chance(1000, 8000));
    return { told: `every call takes ${delayMs} ms longer`, mend: () => vcenter.heal() };
  },
};

export const hangCalls: Harm = {
  name: 'hang all calls',
  hosts: ONLY_VSPHERE,
  when: 'at a moment',
  demand: 'released',
  async strike({ scene, chance }) {
    const vcenter = vcenterOf(scene);
    await vcenter.fault({ method: '*', delayMs: 600_000 });
    const seconds = chance(5, 20);
    await sleep(seconds * 1000);
    return {
      told: `no call is answered for ${seconds.toFixed(0)} s`,
      // Calls that hang already are cut off.
      mend: async () => {
        await vcenter.heal();
        await vcenter.control('POST', '/outage', { on: true });
        await vcenter.control('POST', '/outage', { on: false });
      },
    };
  },
};

export const endSessions: Harm = {
  name: 'end all sessions',
  hosts: ONLY_VSPHERE,
  when: 'at a moment',
  demand: 'released',
  async strike({ scene }) {
    await vcenterOf(scene).control('POST', '/sessions/expire');
    return { told: 'the host ends all sessions', mend: nothing };
  },
};

export const outage: Harm = {
  name: 'cut off from the host',
  hosts: ONLY_VSPHERE,
  when: 'at a moment',
  demand: 'released',
  async strike({ scene, chance }) {
    const vcenter = vcenterOf(scene);
    const seconds = chance(1, 15);
    await vcenter.control('POST', '/outage', { on: true });
    await sleep(seconds * 1000);
    return {
      told: `cut off from the host for ${seconds.toFixed(0)} s`,
      mend: () => vcenter.control('POST', '/outage', { on: false }),
    };
  },
};

export const tearStream: Harm = {
  name: 'tear a stream',
  hosts: ONLY_VSPHERE,
  when: 'all the while',
  demand: 'released',
  async strike({ scene, chance, pick }) {
    const vcenter = vcenterOf(scene);
    const mode = pick(['reset', 'clean']);
    const afterBytes = Math.round(chance(0, 6_000_000));
    const path = pick(['/nfc', '/folder']);
    await vcenter.control('POST', '/tear', { path, afterBytes, count: Math.ceil(chance(0, 3)), mode });
    return { told: `tear ${path} after ${afterBytes} bytes (${mode})`, mend: nothing };
  },
};

export const renameVm: Harm = {
  name: 'rename the VM',
  hosts: ONLY_VSPHERE,
  when: 'at a moment',
  demand: 'released',
  runs: ['backup'],
  async strike({ scene, vmName, chance }) {
    const vcenter = vcenterOf(scene);
    const { moref } = await vcenter.vm(vmName);
    const other = `${vmName}-renamed`;
    await vcenter.govc('object.rename', `VirtualMachine:${moref}`, other);
    await sleep(chance(0, 4000));
    return {
      told: 'rename the VM',
      mend: async () => {
        await vcenter.govc('object.rename', `VirtualMachine:${moref}`, vmName);
      },
    };
  },
};

/** Where it is found by its path is not where it was. */
export const moveVm: Harm = {
  name: 'move the VM',
  hosts: ONLY_VSPHERE,
  when: 'at a moment',
  demand: 'succeeded',
  runs: ['backup'],
  async strike({ scene, vmName, chance }) {
    const vcenter = vcenterOf(scene);
    const { moref } = await vcenter.vm(vmName);
    const move = (to: string) => vcenter.govc('object.mv', `VirtualMachine:${moref}`, to);
    const folder = `aside-${Date.now()}`;
    await vcenter.govc('folder.create', `${VM_FOLDER}/${folder}`);
    await move(`${VM_FOLDER}/${folder}`);
    await sleep(chance(0, 4000));
    return {
      told: 'move the VM to another folder',
      mend: async () => {
        await move(VM_FOLDER);
      },
    };
  },
};

export const registerAgain: Harm = {
  name: 're-register the VM',
  // The simulator registers it without its disks.
  spoilsScene: true,
  hosts: ONLY_VSPHERE,
  when: 'at a moment',
  demand: 'released',
  runs: ['backup'],
  async strike({ scene, vmName, chance }) {
    const vcenter = vcenterOf(scene);
    const { vmxPath } = await vcenter.vm(vmName);
    await vcenter.govc('vm.power', '-off', '-force', vmName);
    await vcenter.govc('vm.unregister', vmName);
    await sleep(chance(0, 3000));
    return {
      told: 're-register the VM, which gets another id',
      mend: async () => {
        await vcenter.govc('vm.register', vmxPath.replace(/^\[[^\]]+\] /, ''));
        await vcenter.govc('vm.power', '-on', vmName);
      },
    };
  },
};

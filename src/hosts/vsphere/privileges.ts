import type { Transport } from '../../domain/transport.js';

/** What a privilege is needed on: the VM, or what it lies in or is connected to. */
export type PrivilegeObject = 'VM' | 'datastore' | 'folder' | 'resource pool' | 'network';

interface PrivilegeNeed {
  /** What for: a row of docs/privileges.md. */
  readonly step: string;
  readonly privileges: readonly string[];
  readonly on: PrivilegeObject;
  /** Whether only restoring needs it. */
  readonly restoring: boolean;
  /** Where only one way of moving disks needs it. */
  readonly via?: Transport['via'];
}

/** What each step needs of the backup user: docs/privileges.md says by which calls, and where that is written. */
export const PRIVILEGE_NEEDS: readonly PrivilegeNeed[] = [
  { step: 'seeing', privileges: ['System.View', 'System.Read'], on: 'VM', restoring: false },
  { step: 'snapshot', privileges: ['VirtualMachine.State.CreateSnapshot'], on: 'VM', restoring: false },
  { step: 'its removal', privileges: ['VirtualMachine.State.RemoveSnapshot'], on: 'VM', restoring: false },
  { step: 'transport by lease', privileges: ['VApp.Export'], on: 'VM', restoring: false, via: 'lease' },
  {
    step: "transport by datastore, the VM's own files",
    privileges: ['Datastore.Browse', 'Datastore.FileManagement'],
    on: 'datastore',
    restoring: false,
  },
  {
    step: 'restore by lease',
    privileges: ['VApp.Import', 'Resource.AssignVMToPool'],
    on: 'resource pool',
    restoring: true,
    via: 'lease',
  },
  {
    step: 'restore by lease',
    privileges: ['VirtualMachine.Inventory.Create'],
    on: 'folder',
    restoring: true,
    via: 'lease',
  },
  {
    step: 'restore by lease',
    privileges: ['Datastore.AllocateSpace'],
    on: 'datastore',
    restoring: true,
    via: 'lease',
  },
  { step: 'restore by lease', privileges: ['Network.Assign'], on: 'network', restoring: true, via: 'lease' },
  {
    step: 'restore by datastore',
    privileges: ['Datastore.FileManagement'],
    on: 'datastore',
    restoring: true,
    via: 'datastore',
  },
  {
    step: 'restore by datastore',
    privileges: ['VirtualMachine.Inventory.Create', 'VirtualMachine.Config.AddExistingDisk'],
    on: 'folder',
    restoring: true,
    via: 'datastore',
  },
  {
    step: 'restore by datastore',
    privileges: ['Resource.AssignVMToPool'],
    on: 'resource pool',
    restoring: true,
    via: 'datastore',
  },
  {
    step: 'marking and naming',
    privileges: [
      'VirtualMachine.Config.AdvancedConfig',
      'VirtualMachine.Config.Rename',
      'VirtualMachine.Config.Settings',
    ],
    on: 'folder',
    restoring: true,
  },
  {
    step: 'undoing, replacing',
    privileges: ['VirtualMachine.Inventory.Delete'],
    on: 'folder',
    restoring: true,
  },
  { step: 'powering on', privileges: ['VirtualMachine.Interact.PowerOn'], on: 'folder', restoring: true },
];

/** What a backup by that transport needs; and a restore of what it kept, where that is asked for. */
export function needsOf({ via }: Transport, restoring: boolean): readonly PrivilegeNeed[] {
  return PRIVILEGE_NEEDS.filter(
    (need) => (restoring || !need.restoring) && (need.via === undefined || need.via === via),
  );
}

import { describe, expect, it } from 'vitest';
import type { PlaceKind } from '../../src/domain/place.js';
import type { VmSpec } from '../../src/domain/vmSpec.js';
import type { Host } from '../../src/hosts/host.js';

/** What the suite needs of a driver's lab. */
export interface HostLab {
  /** A host in a login session of its own. */
  open(): Promise<Host>;
  /** A running VM with one disk, and how many snapshots it has as another client sees them. */
  readonly vmName: string;
  snapshotsSeen(): Promise<number>;
  /** Login sessions, or whatever else stays open for a driver. */
  sessionsSeen(): Promise<number>;
}

const NEVER = new AbortController().signal;

/** In what drivers may differ. */
interface HostTraits {
  /** Whether a VM can have a snapshot above another. */
  readonly nestsSnapshots: boolean;
}

/** What every driver must do, whatever its hypervisor: the contract of src/hosts/host.ts. */
export function describeHost(driver: string, traits: HostTraits, lab: () => HostLab): void {
  const using = async (work: (host: Host, instanceUuid: string) => Promise<void>): Promise<void> => {
    const host = await lab().open();
    try {
      const [vm] = await host.findVms({ kind: 'name', value: lab().vmName });
      await work(host, vm?.instanceUuid ?? '');
    } finally {
      await host.logout();
    }
  };

  describe(`the ${driver} driver`, () => {
    it('finds a VM by name, uuid and its own id, and finds nothing rather than failing', () =>
      using(async (host) => {
        const [vm] = await host.findVms({ kind: 'name', value: lab().vmName });
        expect(vm?.name).toBe(lab().vmName);
        expect(await host.findVms({ kind: 'uuid', value: vm?.biosUuid ?? '' })).toEqual([vm]);
        expect(await host.findVms({ kind: 'moref', value: vm?.moref ?? '' })).toEqual([vm]);
        for (const kind of ['name', 'uuid', 'moref', 'ipaddr'] as const) {
          expect(await host.findVms({ kind, value: '00000000-0000-0000-0000-000000000000' })).toEqual([]);
        }
      }));

    it('finds VMs by power state, all of them or none, with what is asked for beside', () =>
      using(async (host) => {
        const names = async (spec: VmSpec): Promise<readonly string[]> =>
          (await host.findVms(spec)).map(({ name }) => name);
        expect(await names({ kind: 'powerstate', value: 'on' })).toContain(lab().vmName);
        expect(await names({ kind: 'powerstate', value: 'off' })).not.toContain(lab().vmName);
        expect(await names({ kind: 'any', value: '' })).toContain(lab().vmName);
        expect(await names({ kind: 'none', value: '' })).toEqual([]);
        const detail = { addresses: true, folders: true };
        const [vm] = await host.findVms({ kind: 'name', value: lab().vmName }, detail);
        expect(vm?.ipAddresses).toBeInstanceOf(Array);
        expect(vm?.folderPath).toBe((await host.describeVm(vm?.instanceUuid ?? '')).folderPath);
      }));

    it('lists the places that it says it has, the VM’s own among them', () =>
      using(async (host, instanceUuid) => {
        const vm = await host.describeVm(instanceUuid);
        const paths = new Map<PlaceKind, readonly string[]>();
        for (const kind of host.placeKinds) {
          const places = await host.listPlaces(kind);
          expect(places.every((place) => place.kind === kind)).toBe(true);
          paths.set(
            kind,
            places.map(({ path }) => path),
          );
          if (kind !== 'datastores') continue;
          for (const { storage } of places) {
            expect(storage).toMatchObject({
              accessible: true,
              directory: expect.stringMatching(/^\/./) as string,
            });
            expect(storage?.freeBytes).toBeLessThanOrEqual(storage?.capacityBytes ?? 0);
          }
        }
        for (const { label } of vm.datastores) expect(paths.get('datastores')).toContain(label);
        expect(paths.get('vmfolders') ?? [vm.folderPath]).toContain(vm.folderPath);
        expect(paths.get('resourcepools') ?? [vm.resourcePool]).toContain(vm.resourcePool);
      }));

    it('describes a VM: its disks by place, path and size, and where it lies', () =>
      using(async (host, instanceUuid) => {
        const vm = await host.describeVm(instanceUuid);
        expect(vm.disks.length).toBeGreaterThan(0);
        for (const disk of vm.disks) {
          expect(disk.label).toMatch(/^[a-z]+\d+:\d+$/);
          expect(disk.capacityBytes).toBeGreaterThan(0);
          expect(disk.refusal).toBeUndefined();
        }
        expect(vm.folderPath).toMatch(/^\//);
        expect(JSON.parse(JSON.stringify(vm.configuration))).toEqual(vm.configuration);
      }));

    it('refuses a VM that is not there with an error of ours', () =>
      using(async (host) => {
        await expect(host.describeVm('00000000-0000-0000-0000-000000000000')).rejects.toMatchObject({
          code: 'VmNotFound',
        });
      }));

    it('removes a VM that is gone already without a word', () =>
      using(async (host) => {
        for (const moref of ['vm-99999', '00000000-0000-0000-0000-000000000000'])
          expect(await host.destroyVm(moref)).toEqual([]);
      }));

    it('gives a VM the name that it has already', () =>
      using(async (host) => {
        const [vm] = await host.findVms({ kind: 'name', value: lab().vmName });
        await host.renameVm(vm?.moref ?? '', lab().vmName);
        expect(await host.findVms({ kind: 'name', value: lab().vmName })).toEqual([vm]);
      }));

    it('makes a directory for a VM to be restored, writes, reads and lists texts in it, and removes it', () =>
      using(async (host, instanceUuid) => {
        const vm = await host.describeVm(instanceUuid);
        const disks = vm.disks.map(({ path }) => ({ originalPath: path }));
        const place = await host.findPlace({ vm, disks });
        const directory = 'a VM’s "own" $directory';
        expect(await host.listDirectory(place, directory)).toBeUndefined();
        await host.makeDirectory(place, directory);
        try {
          expect(await host.listDirectory(place, directory)).toEqual([]);
          expect(await host.readText(place, `${directory}/note.txt`)).toBeUndefined();
          for (const text of ['first ‘text’\n', '']) {
            await host.writeText(place, `${directory}/note.txt`, text);
            expect(await host.readText(place, `${directory}/note.txt`)).toBe(text);
          }
          expect(await host.listDirectory(place, directory)).toEqual(['note.txt']);
        } finally {
          await host.deletePath(place, directory);
        }
        expect(await host.listDirectory(place, directory)).toBeUndefined();
      }));

    it('takes, lists and removes a snapshot, and tells its absence only when it is seen', () =>
      using(async (host, instanceUuid) => {
        const ours = ({ description }: { description: string }) => description === 'conformance';
        expect(await host.snapshotAbsence(instanceUuid, ours)).toEqual({ state: 'gone' });
        const { snapshot } = await host.takeSnapshot(
          instanceUuid,
          { name: 'x', description: 'conformance', runId: 'run', quiesce: false },
          NEVER,
        );
        expect(await lab().snapshotsSeen()).toBe(1);
        expect((await host.listSnapshots(instanceUuid)).map(({ id }) => id)).toEqual([snapshot.id]);
        expect((await host.listAllSnapshots('x')).map(({ vmUuid }) => vmUuid)).toEqual([instanceUuid]);
        expect(await host.snapshotAbsence(instanceUuid, ours)).toMatchObject({ state: 'present' });
        await host.commitSnapshot(instanceUuid, snapshot.id);
        expect(await host.snapshotAbsence(instanceUuid, ours)).toEqual({ state: 'gone' });
        expect(await lab().snapshotsSeen()).toBe(0);
      }));

    // One at a time is taken by the others: nothing of theirs is missing, so that nothing is skipped.
    if (traits.nestsSnapshots) {
      it('removes a snapshot without its children', () =>
        using(async (host, instanceUuid) => {
          const take = (name: string) =>
            host.takeSnapshot(instanceUuid, { name, description: name, runId: 'run', quiesce: false }, NEVER);
          const parent = await take('parent');
          const child = await take('child');
          await host.commitSnapshot(instanceUuid, parent.snapshot.id);
          expect((await host.listSnapshots(instanceUuid)).map(({ name }) => name)).toEqual(['child']);
          await host.commitSnapshot(instanceUuid, child.snapshot.id);
          // Removing what is gone is no error.
          await host.commitSnapshot(instanceUuid, child.snapshot.id);
        }));
    }

    it('tells the time by its own clock, and leaves no login session behind', async () => {
      const before = await lab().sessionsSeen();
      await using(async (host) => {
        expect(Math.abs((await host.now()).getTime() - Date.now())).toBeLessThan(60_000);
        expect(await lab().sessionsSeen()).toBe(before + 1);
      });
      expect(await lab().sessionsSeen()).toBe(before);
    });
  });
}

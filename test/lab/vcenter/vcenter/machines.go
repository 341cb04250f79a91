package main

import (
	"context"
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// machineSpec is one entry of the file given by --vms.
type machineSpec struct {
	Name         string     `json:"name"`
	CPUs         int32      `json:"cpus"`
	MemoryMB     int64      `json:"memoryMB"`
	GuestID      string     `json:"guestId"`
	Firmware     string     `json:"firmware"`
	Annotation   string     `json:"annotation"`
	UUID         string     `json:"uuid"`         // BIOS; default: made from the name
	InstanceUUID string     `json:"instanceUuid"` // default: made from the name
	PowerOn      bool       `json:"powerOn"`
	ToolsRunning bool       `json:"toolsRunning"`
	IP           string     `json:"ip"`
	HostName     string     `json:"hostName"`
	VMX          string     `json:"vmx"`
	NVRAMText    string     `json:"nvramText"`
	Disks        []diskSpec `json:"disks"`
}

type diskSpec struct {
	Raw             string `json:"raw"`
	StreamOptimized string `json:"streamOptimized"`
	Controller      string `json:"controller"`
	Bus             int32  `json:"bus"`
	Unit            int32  `json:"unit"`
	Mode            string `json:"mode"`
	RDM             string `json:"rdm"`
}

const mainDatastore = "LocalDS_0"

func (l *lab) createMachines(file string) error {
	if file == "" {
		return nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var specs []machineSpec
	if err := json.Unmarshal(b, &specs); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for i := range specs {
		if err := l.createMachine(&specs[i]); err != nil {
			return fmt.Errorf("virtual machine %q: %w", specs[i].Name, err)
		}
	}
	return nil
}

// createMachine makes a machine the way a client would, by CreateVM_Task over
// existing disks, and then sets what only a running guest could bring about.
func (l *lab) createMachine(s *machineSpec) error {
	if s.Name == "" || strings.ContainsAny(s.Name, "/\\") {
		return fmt.Errorf("bad name")
	}
	dir := within(l.datastore(mainDatastore).Summary.Url, s.Name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	devices, err := l.devicesOf(s, dir)
	if err != nil {
		return err
	}
	change, err := devices.ConfigSpec(types.VirtualDeviceConfigSpecOperationAdd)
	if err != nil {
		return err
	}
	for _, c := range change {
		// The disks exist. The library takes a disk of no size for one to be made.
		c.GetVirtualDeviceConfigSpec().FileOperation = ""
	}

	home := "[" + mainDatastore + "] " + s.Name
	spec := types.VirtualMachineConfigSpec{
		Name:         s.Name,
		NumCPUs:      max(s.CPUs, 1),
		MemoryMB:     max(s.MemoryMB, 64),
		GuestId:      or(s.GuestID, "otherGuest64"),
		Firmware:     or(s.Firmware, "bios"),
		Annotation:   s.Annotation,
		Uuid:         or(s.UUID, "42"+nameUUID("bios", s.Name)[2:]),
		InstanceUuid: or(s.InstanceUUID, "50"+nameUUID("instance", s.Name)[2:]),
		Version:      "vmx-19",
		Files: &types.VirtualMachineFileInfo{
			VmPathName:        home + "/" + s.Name + ".vmx",
			SnapshotDirectory: home,
			SuspendDirectory:  home,
			LogDirectory:      home,
		},
		DeviceChange: change,
	}

	ctx := context.Background()
	c := l.client()
	dc := l.datacenter()
	folder := object.NewFolder(c, dc.VmFolder)
	pool, host, err := l.home()
	if err != nil {
		return err
	}
	task, err := folder.CreateVM(ctx, spec, object.NewResourcePool(c, pool), object.NewHostSystem(c, host))
	if err != nil {
		return err
	}
	info, err := task.WaitForResult(ctx, nil)
	if err != nil {
		return err
	}
	ref := info.Result.(types.ManagedObjectReference)
	vm := l.virtualMachine(ref)

	// The simulator makes an empty .vmx and refuses one that is already there.
	vmx := or(s.VMX, defaultVMX(s))
	if err := os.WriteFile(filepath.Join(dir, s.Name+".vmx"), []byte(vmx), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, s.Name+".nvram"), []byte(s.NVRAMText), 0o600); err != nil {
		return err
	}

	if s.PowerOn {
		task, err := object.NewVirtualMachine(c, ref).PowerOn(ctx)
		if err != nil {
			return err
		}
		if err := task.Wait(ctx); err != nil {
			return err
		}
	}
	l.setGuest(vm, s)
	return nil
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// nameUUID is always the same for a name, so that tests can foresee it.
func nameUUID(kind, name string) string {
	sum := sha1.Sum([]byte("everthaw-lab:" + kind + ":" + name))
	b := sum[:16]
	b[6], b[8] = b[6]&0x0f|0x50, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func defaultVMX(s *machineSpec) string {
	return fmt.Sprintf(".encoding = \"UTF-8\"\nconfig.version = \"8\"\nvirtualHW.version = \"19\"\ndisplayName = %q\nguestOS = %q\nnumvcpus = \"%d\"\nmemSize = \"%d\"\nfirmware = %q\n",
		s.Name, or(s.GuestID, "otherGuest64"), s.CPUs, s.MemoryMB, or(s.Firmware, "bios"))
}

// home is where machines run: the only pool and host of the lab.
func (l *lab) home() (pool, host types.ManagedObjectReference, err error) {
	p, h := l.registry().Any("ResourcePool"), l.registry().Any("HostSystem")
	if p == nil || h == nil {
		return pool, host, fmt.Errorf("the model has no resource pool or no host")
	}
	return p.Reference(), h.Reference(), nil
}

func (l *lab) devicesOf(s *machineSpec, dir string) (object.VirtualDeviceList, error) {
	var list object.VirtualDeviceList
	controllers := map[int32]*types.VirtualController{}
	counts := map[string]int{}
	cdromBus := int32(0)

	for i, d := range s.Disks {
		base := s.Name
		if i > 0 {
			base = fmt.Sprintf("%s_%d", s.Name, i)
		}
		size, err := placeDisk(d, filepath.Join(dir, base+".vmdk"))
		if err != nil {
			return nil, err
		}

		key, device, vc, first, err := controllerOf(d, counts)
		if err != nil {
			return nil, err
		}
		if have := controllers[key]; have != nil {
			vc = have
		} else {
			controllers[key] = vc
			list = append(list, device)
		}
		if d.Controller == "ide" && d.Bus == 0 {
			cdromBus = 1
		}
		disk := &types.VirtualDisk{
			VirtualDevice: types.VirtualDevice{
				Key:           first + d.Unit,
				ControllerKey: key,
				UnitNumber:    types.NewInt32(d.Unit),
				DeviceInfo:    &types.Description{Label: fmt.Sprintf("Hard disk %d", i+1)},
				Backing:       l.backing(s, d, base, i),
			},
			CapacityInBytes: size,
			CapacityInKB:    size / 1024,
		}
		vc.Device = append(vc.Device, disk.Key)
		list = append(list, disk)
	}

	nic := &types.VirtualVmxnet3{}
	nic.Key = 4000
	nic.DeviceInfo = &types.Description{Label: "Network adapter 1"}
	nic.ControllerKey = 100
	nic.UnitNumber = types.NewInt32(7)
	nic.AddressType = string(types.VirtualEthernetCardMacTypeAssigned)
	id := sha1.Sum([]byte(s.Name))
	nic.MacAddress = fmt.Sprintf("00:50:56:%02x:%02x:%02x", 0x80|id[0]&0x3f, id[1], id[2])
	nic.Connectable = &types.VirtualDeviceConnectInfo{StartConnected: true, AllowGuestControl: true}
	backing, err := l.networkBacking()
	if err != nil {
		return nil, err
	}
	nic.Backing = backing

	cdrom := &types.VirtualCdrom{}
	cdrom.Key = 3000 + 2*cdromBus
	cdrom.DeviceInfo = &types.Description{Label: "CD/DVD drive 1"}
	cdrom.ControllerKey = 200 + cdromBus
	cdrom.UnitNumber = types.NewInt32(0)
	if d := list.FindByKey(cdrom.Key); d != nil {
		cdrom.Key, cdrom.UnitNumber = cdrom.Key+1, types.NewInt32(1)
	}
	cdrom.Backing = &types.VirtualCdromRemotePassthroughBackingInfo{
		VirtualDeviceRemoteDeviceBackingInfo: types.VirtualDeviceRemoteDeviceBackingInfo{UseAutoDetect: types.NewBool(false)},
	}
	cdrom.Connectable = &types.VirtualDeviceConnectInfo{AllowGuestControl: true}
	return append(list, nic, cdrom), nil
}

// placeDisk puts a disk's two forms into the datastore: raw bytes as -flat.vmdk,
// which /folder serves, and the streamOptimized file as .vmdk, which /nfc serves.
func placeDisk(d diskSpec, vmdk string) (int64, error) {
	info, err := os.Stat(d.Raw)
	if err != nil {
		return 0, err
	}
	if info.Size() == 0 || info.Size()%512 != 0 {
		return 0, fmt.Errorf("%s: not a disk: %d bytes", d.Raw, info.Size())
	}
	if err := copySparse(d.Raw, flatOf(vmdk)); err != nil {
		return 0, err
	}
	if d.StreamOptimized != "" {
		return info.Size(), copySparse(d.StreamOptimized, vmdk)
	}
	text := descriptor(filepath.Base(flatOf(vmdk)), info.Size(), "lsilogic")
	return info.Size(), os.WriteFile(vmdk, []byte(text), 0o600)
}

// controllerOf gives a disk's controller, with the keys that vSphere uses: its
// own, and that of the disk at its unit 0.
func controllerOf(d diskSpec, counts map[string]int) (key int32, device types.BaseVirtualDevice, vc *types.VirtualController, first int32, err error) {
	scsi := func(c *types.VirtualSCSIController) (int32, int32) {
		c.SharedBus = types.VirtualSCSISharingNoSharing
		c.HotAddRemove = types.NewBool(true)
		c.ScsiCtlrUnitNumber = 7
		vc = &c.VirtualController
		return 1000 + d.Bus, 2000 + 16*d.Bus
	}
	label := ""
	switch or(d.Controller, "scsi") {
	case "scsi":
		c := &types.ParaVirtualSCSIController{}
		key, first = scsi(&c.VirtualSCSIController)
		device, label = c, "SCSI controller"
	case "lsilogic":
		c := &types.VirtualLsiLogicController{}
		key, first = scsi(&c.VirtualSCSIController)
		device, label = c, "SCSI controller"
	case "sata":
		c := &types.VirtualAHCIController{}
		key, first, vc = 15000+d.Bus, 16000+30*d.Bus, &c.VirtualController
		device, label = c, "SATA controller"
	case "nvme":
		c := &types.VirtualNVMEController{}
		key, first, vc = 31000+d.Bus, 32000+15*d.Bus, &c.VirtualController
		device, label = c, "NVME controller"
	case "ide":
		c := &types.VirtualIDEController{}
		key, first, vc = 200+d.Bus, 3000+2*d.Bus, &c.VirtualController
		device, label = c, "IDE"
	default:
		return 0, nil, nil, 0, fmt.Errorf("unknown controller %q", d.Controller)
	}
	vc.Key, vc.BusNumber = key, d.Bus
	vc.DeviceInfo = &types.Description{Label: fmt.Sprintf("%s %d", label, d.Bus)}
	if label != "IDE" {
		vc.ControllerKey = 100
		vc.UnitNumber = types.NewInt32(3 + int32(counts[label]) + 10*int32(len(counts)))
		counts[label]++
	}
	return key, device, vc, first, nil
}

func (l *lab) backing(s *machineSpec, d diskSpec, base string, i int) types.BaseVirtualDeviceBackingInfo {
	file := types.VirtualDeviceFileBackingInfo{FileName: fmt.Sprintf("[%s] %s/%s.vmdk", mainDatastore, s.Name, base)}
	mode := or(d.Mode, string(types.VirtualDiskModePersistent))
	id := nameUUID("disk", fmt.Sprintf("%s/%d", s.Name, i))
	if d.RDM != "" {
		return &types.VirtualDiskRawDiskMappingVer1BackingInfo{
			VirtualDeviceFileBackingInfo: file,
			CompatibilityMode:            d.RDM,
			DiskMode:                     mode,
			DeviceName:                   "vml.02" + strings.ReplaceAll(id, "-", ""),
			LunUuid:                      "02" + strings.ReplaceAll(id, "-", ""),
			Uuid:                         id,
		}
	}
	return &types.VirtualDiskFlatVer2BackingInfo{
		VirtualDeviceFileBackingInfo: file,
		DiskMode:                     mode,
		ThinProvisioned:              types.NewBool(true),
		Uuid:                         id,
		ContentId:                    strings.ReplaceAll(id, "-", ""),
	}
}

func (l *lab) networkBacking() (types.BaseVirtualDeviceBackingInfo, error) {
	if l.hasNetwork("VM Network") {
		return &types.VirtualEthernetCardNetworkBackingInfo{
			VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{DeviceName: "VM Network"},
		}, nil
	}
	for _, ref := range l.datacenter().Network {
		if ref.Type == "DistributedVirtualPortgroup" {
			return object.NewDistributedVirtualPortgroup(l.client(), ref).EthernetCardBackingInfo(context.Background())
		}
	}
	return nil, fmt.Errorf("the model has no network")
}

// setGuest states what VMware Tools would report.
func (l *lab) setGuest(vm *simulator.VirtualMachine, s *machineSpec) {
	status, running, version := types.VirtualMachineToolsStatusToolsNotInstalled,
		types.VirtualMachineToolsRunningStatusGuestToolsNotRunning,
		types.VirtualMachineToolsVersionStatusGuestToolsNotInstalled
	state, heartbeat := types.VirtualMachineGuestStateNotRunning, types.ManagedEntityStatusGray
	if s.PowerOn {
		state = types.VirtualMachineGuestStateRunning
	}
	if s.ToolsRunning {
		version = types.VirtualMachineToolsVersionStatusGuestToolsCurrent
		status = types.VirtualMachineToolsStatusToolsNotRunning
		if s.PowerOn {
			status, running = types.VirtualMachineToolsStatusToolsOk, types.VirtualMachineToolsRunningStatusGuestToolsRunning
			heartbeat = types.ManagedEntityStatusGreen
		}
	}
	changes := []types.PropertyChange{
		{Name: "guest.toolsStatus", Val: status},
		{Name: "guest.toolsRunningStatus", Val: string(running)},
		{Name: "guest.toolsVersionStatus2", Val: string(version)},
		{Name: "guest.guestState", Val: string(state)},
		{Name: "guestHeartbeatStatus", Val: heartbeat},
		{Name: "summary.guest.toolsStatus", Val: status},
		{Name: "summary.guest.toolsRunningStatus", Val: string(running)},
		{Name: "summary.guest.toolsVersionStatus2", Val: string(version)},
	}
	if s.IP != "" {
		changes = append(changes,
			types.PropertyChange{Name: "guest.ipAddress", Val: s.IP},
			types.PropertyChange{Name: "summary.guest.ipAddress", Val: s.IP})
	}
	if s.HostName != "" {
		changes = append(changes,
			types.PropertyChange{Name: "guest.hostName", Val: s.HostName},
			types.PropertyChange{Name: "summary.guest.hostName", Val: s.HostName})
	}
	ctx := l.context()
	l.registry().WithLock(ctx, vm, func() {
		if s.IP != "" && len(vm.Guest.Net) > 0 {
			vm.Guest.Net[0].IpAddress = []string{s.IP}
		}
		l.registry().Update(ctx, vm, changes)
	})
}

func (l *lab) setConsolidation(vm *simulator.VirtualMachine, needed bool) {
	l.registry().AtomicUpdate(l.context(), vm, []types.PropertyChange{
		{Name: "runtime.consolidationNeeded", Val: needed},
		{Name: "summary.runtime.consolidationNeeded", Val: needed},
	})
}

// setParents shows disks as vSphere does while there are snapshots: what the
// machine writes to has a parent, and alone is not the disk. A snapshot's own
// disks are as they were before it, so they have one if there was an older snapshot.
func (l *lab) setParents(ref types.ManagedObjectReference) {
	vm := l.virtualMachine(ref)
	if vm == nil {
		return
	}
	ctx := l.context()
	l.registry().WithLock(ctx, vm, func() {
		devices := slices.Clone(vm.Config.Hardware.Device)
		for i, d := range devices {
			disk, ok := d.(*types.VirtualDisk)
			if !ok || !exportable(disk) {
				continue
			}
			backing, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
			if !ok || (backing.Parent != nil) == (vm.Snapshot != nil) {
				continue
			}
			child := *backing
			child.Parent = nil
			if vm.Snapshot != nil {
				parent := child
				child.Parent = &parent
			}
			d := *disk
			d.Backing = &child
			devices[i] = &d
		}
		l.registry().Update(ctx, vm, []types.PropertyChange{{Name: "config.hardware.device", Val: devices}})
	})
}

// destroyMachine removes a machine and its files, as an abandoned import does.
func (l *lab) destroyMachine(ref types.ManagedObjectReference) {
	vm := l.virtualMachine(ref)
	if vm == nil {
		return
	}
	ctx := context.Background()
	o := object.NewVirtualMachine(l.client(), ref)
	if task, err := o.PowerOff(ctx); err == nil {
		_ = task.Wait(ctx)
	}
	dir := l.machineDir(ref)
	task, err := o.Destroy(ctx)
	if err == nil {
		err = task.Wait(ctx)
	}
	if err == nil && dir != "" {
		_ = os.RemoveAll(dir)
	}
}

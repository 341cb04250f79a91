package main

import (
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/types"
)

// The simulator takes references and paths in a specification for valid, and
// panics in a task's goroutine when they are not, which ends the process. These
// checks answer with the fault that vSphere would give.

func (l *lab) checkPlace(spec *types.VirtualMachineConfigSpec, pool, host, folder *types.ManagedObjectReference) types.BaseMethodFault {
	for _, ref := range []*types.ManagedObjectReference{pool, host, folder} {
		if ref != nil && l.registry().Get(*ref) == nil {
			return &types.ManagedObjectNotFound{Obj: *ref}
		}
	}
	if spec.Name == "" {
		return &types.InvalidVmConfig{Property: "configSpec.name"}
	}
	if spec.Files == nil || spec.Files.VmPathName == "" {
		return &types.InvalidVmConfig{Property: "configSpec.files.vmPathName"}
	}
	if f := l.checkPath(spec.Files.VmPathName); f != nil {
		return f
	}
	return l.checkDevices(spec)
}

func (l *lab) checkPath(p string) types.BaseMethodFault {
	var d object.DatastorePath
	if !d.FromString(p) {
		return &types.InvalidDatastorePath{DatastorePath: p}
	}
	if l.datastore(d.Datastore) == nil {
		return &types.InvalidDatastorePath{InvalidDatastore: types.InvalidDatastore{Name: d.Datastore}, DatastorePath: p}
	}
	return nil
}

func (l *lab) checkDevices(spec *types.VirtualMachineConfigSpec) types.BaseMethodFault {
	for i, c := range spec.DeviceChange {
		invalid := func(property string) types.BaseMethodFault {
			return &types.InvalidDeviceSpec{
				InvalidVmConfig: types.InvalidVmConfig{Property: "virtualDeviceSpec." + property},
				DeviceIndex:     int32(i),
			}
		}
		s := c.GetVirtualDeviceConfigSpec()
		if s == nil || s.Device == nil {
			return invalid("device")
		}
		if s.Operation == types.VirtualDeviceConfigSpecOperationRemove {
			continue
		}
		switch d := s.Device.(type) {
		case *types.VirtualDisk:
			b, ok := d.Backing.(types.BaseVirtualDeviceFileBackingInfo)
			if !ok {
				return invalid("device.backing")
			}
			// An empty name lets the host choose one.
			if name := b.GetVirtualDeviceFileBackingInfo().FileName; name != "" {
				if f := l.checkPath(name); f != nil {
					return f
				}
			}
		case types.BaseVirtualEthernetCard:
			switch b := d.GetVirtualEthernetCard().Backing.(type) {
			case *types.VirtualEthernetCardNetworkBackingInfo:
				if !l.hasNetwork(b.DeviceName) {
					return invalid("device.backing.deviceName")
				}
			case *types.VirtualEthernetCardDistributedVirtualPortBackingInfo:
				ref := types.ManagedObjectReference{Type: "DistributedVirtualPortgroup", Value: b.Port.PortgroupKey}
				if l.registry().Get(ref) == nil {
					return invalid("device.backing.port.portgroupKey")
				}
			}
		}
	}
	return nil
}

func (l *lab) hasNetwork(name string) bool {
	return l.registry().FindByName(name, l.datacenter().Network) != nil
}

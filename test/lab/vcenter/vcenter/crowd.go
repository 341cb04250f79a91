package main

import (
	"fmt"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// createCrowd puts machines into the inventory that are there to be listed and
// nothing else: no files, no devices. Thousands of them take no time, where
// CreateVM_Task takes minutes.
func (l *lab) createCrowd(count int) {
	folder := l.registry().Get(l.datacenter().VmFolder).(mo.Entity)
	children := &l.registry().Get(l.datacenter().VmFolder).(*simulator.Folder).ChildEntity
	states := []types.VirtualMachinePowerState{
		types.VirtualMachinePowerStatePoweredOn,
		types.VirtualMachinePowerStatePoweredOn,
		types.VirtualMachinePowerStatePoweredOff,
	}
	for i := range count {
		vm := &simulator.VirtualMachine{}
		vm.Name = fmt.Sprintf("crowd-%04d", i)
		vm.Config = &types.VirtualMachineConfigInfo{
			Name:         vm.Name,
			Uuid:         "42" + nameUUID("bios", vm.Name)[2:],
			InstanceUuid: "50" + nameUUID("instance", vm.Name)[2:],
		}
		vm.Guest = &types.GuestInfo{}
		vm.Runtime.PowerState = states[i%len(states)]
		if vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn {
			vm.Guest.HostName = vm.Name + ".example.com"
			vm.Guest.IpAddress = fmt.Sprintf("10.77.%d.%d", i>>8, i&255)
			vm.Guest.Net = []types.GuestNicInfo{{
				Network:    "VM Network",
				MacAddress: fmt.Sprintf("00:50:56:80:%02x:%02x", i>>8, i&255),
				IpAddress:  []string{vm.Guest.IpAddress, fmt.Sprintf("fe80::250:56ff:fe80:%x", i)},
				Connected:  true,
			}}
		}
		*children = append(*children, l.registry().PutEntity(folder, vm).Reference())
	}
}

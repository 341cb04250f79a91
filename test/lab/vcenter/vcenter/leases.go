package main

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"reflect"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// leaseTable holds the living NFC leases. The simulator makes the lease
// objects; what they give access to, and for how long, is the lab's.
type leaseTable struct {
	mu         sync.Mutex
	open       map[string]*lease // by the token in their URLs
	timedOut   []types.ManagedObjectReference
	timeout    time.Duration
	readyAfter time.Duration // a real lease is not ready at once, and clients must wait
}

type lease struct {
	token    string
	kind     string // "export" or "import"
	ref      types.ManagedObjectReference
	object   *simulator.HttpNfcLease
	vm       types.ManagedObjectReference
	vmName   string
	session  string
	opened   time.Time
	progress time.Time
	files    []*leaseFile
}

// leaseFile is one URL of a lease.
type leaseFile struct {
	name     string // last part of its URL
	key      string
	file     string // on this machine
	disk     bool
	capacity int64
	sha1     string // of an upload
	size     int64
	making   sync.Mutex
	made     string // streamOptimized form made for this lease
}

func (t *leaseTable) byRef(ref types.ManagedObjectReference) *lease {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.open {
		if s.ref == ref {
			return s
		}
	}
	return nil
}

func (t *leaseTable) byToken(token string) *lease {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open[token]
}

func (t *leaseTable) exports(vm types.ManagedObjectReference) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.open {
		if s.kind == "export" && s.vm == vm {
			return true
		}
	}
	return false
}

func (t *leaseTable) list() []*lease {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []*lease
	for _, s := range t.open {
		c := *s
		out = append(out, &c)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].opened.Before(out[j].opened) })
	return out
}

func (l *lab) openExport(session, host string, snapshot, ref types.ManagedObjectReference) {
	snap, ok := l.registry().Get(snapshot).(*simulator.VirtualMachineSnapshot)
	if !ok {
		return
	}
	l.openLease(session, host, "export", ref, snap.Vm, snap.Config.Hardware.Device)
}

// openImport waits for the simulator to have made the machine, since only then
// its disks are known.
func (l *lab) openImport(session, host string, ref types.ManagedObjectReference) {
	obj := l.leaseObject(session, ref)
	if obj == nil {
		return
	}
	ctx := l.context()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		var state types.HttpNfcLeaseState
		var vmRef types.ManagedObjectReference
		l.registry().WithLock(ctx, obj, func() {
			state = obj.State
			if obj.Info != nil {
				vmRef = obj.Info.Entity
			}
		})
		switch state {
		case types.HttpNfcLeaseStateError:
			return // the client sees why in the lease
		case types.HttpNfcLeaseStateReady:
			if vm := l.virtualMachine(vmRef); vm != nil {
				l.openLease(session, host, "import", ref, vmRef, vm.Config.Hardware.Device)
			}
			return
		}
	}
}

func (l *lab) leaseObject(session string, ref types.ManagedObjectReference) *simulator.HttpNfcLease {
	s := l.seenSession(session)
	if s == nil {
		return nil
	}
	obj, _ := s.Get(ref).(*simulator.HttpNfcLease)
	return obj
}

func (l *lab) openLease(session, host, kind string, ref, vmRef types.ManagedObjectReference, devices []types.BaseVirtualDevice) {
	obj, vm := l.leaseObject(session, ref), l.virtualMachine(vmRef)
	if obj == nil || vm == nil {
		return
	}
	s := &lease{
		token: rand.Text(), kind: kind, ref: ref, object: obj, vm: vmRef, vmName: vm.Name,
		session: session, opened: time.Now(), progress: time.Now(),
	}
	if l.options.esx {
		host = "*" // a host leaves it to the client to put in the name it connected to
	}
	info := &types.HttpNfcLeaseInfo{Lease: ref, Entity: vmRef, LeaseTimeout: int32(l.leaseTimeout().Seconds())}
	list := object.VirtualDeviceList(devices)
	for _, d := range devices {
		disk, ok := d.(*types.VirtualDisk)
		if !ok || !exportable(disk) {
			continue
		}
		b := disk.Backing.(types.BaseVirtualDeviceFileBackingInfo).GetVirtualDeviceFileBackingInfo()
		f := &leaseFile{
			name:     fmt.Sprintf("disk-%d.vmdk", len(s.files)),
			key:      place(list, disk),
			file:     l.hostPath(b.FileName),
			disk:     true,
			capacity: disk.CapacityInBytes,
		}
		info.TotalDiskCapacityInKB += disk.CapacityInKB
		s.files = append(s.files, f)
	}
	if nvram := l.nvramFile(vm); kind == "export" && nvram != "" {
		s.files = append(s.files, &leaseFile{name: "file-0.nvram", key: "nvram", file: nvram})
	}
	for _, f := range s.files {
		info.DeviceUrl = append(info.DeviceUrl, types.HttpNfcLeaseDeviceUrl{
			Key:           "/" + vmRef.Value + "/" + f.key,
			ImportKey:     "/" + vm.Name + "/" + f.key,
			Url:           "https://" + host + nfcPath + "/" + s.token + "/" + f.name,
			SslThumbprint: l.cert.sha1,
			Disk:          types.NewBool(f.disk),
			TargetId:      f.name,
		})
	}

	l.leases.mu.Lock()
	l.leases.open[s.token] = s
	wait := l.leases.readyAfter
	l.leases.mu.Unlock()

	l.updateLease(obj,
		types.PropertyChange{Name: "state", Val: types.HttpNfcLeaseStateInitializing},
		types.PropertyChange{Name: "info", Val: nil})
	time.AfterFunc(wait, func() {
		if l.leases.byToken(s.token) != nil {
			l.updateLease(obj,
				types.PropertyChange{Name: "info", Val: info},
				types.PropertyChange{Name: "state", Val: types.HttpNfcLeaseStateReady})
		}
	})
}

func (l *lab) updateLease(obj *simulator.HttpNfcLease, changes ...types.PropertyChange) {
	l.registry().AtomicUpdate(l.context(), obj, changes)
}

// exportable disks are in snapshots: independent ones and physical RDMs are not.
func exportable(d *types.VirtualDisk) bool {
	switch b := d.Backing.(type) {
	case *types.VirtualDiskFlatVer2BackingInfo:
		return !strings.HasPrefix(b.DiskMode, "independent")
	case *types.VirtualDiskRawDiskMappingVer1BackingInfo:
		return b.CompatibilityMode != string(types.VirtualDiskCompatibilityModePhysicalMode) &&
			!strings.HasPrefix(b.DiskMode, "independent")
	case types.BaseVirtualDeviceFileBackingInfo:
		return true
	}
	return false
}

// place names a disk by its controller, as vSphere does: ParaVirtualSCSIController0:1.
func place(list object.VirtualDeviceList, d *types.VirtualDisk) string {
	unit := int32(0)
	if d.UnitNumber != nil {
		unit = *d.UnitNumber
	}
	c := list.FindByKey(d.ControllerKey)
	if c == nil {
		return fmt.Sprintf("VirtualDisk%d", d.Key)
	}
	bus := int32(0)
	if bc, ok := c.(types.BaseVirtualController); ok {
		bus = bc.GetVirtualController().BusNumber
	}
	return fmt.Sprintf("%s%d:%d", reflect.TypeOf(c).Elem().Name(), bus, unit)
}

func (l *lab) nvramFile(vm *simulator.VirtualMachine) string {
	p := strings.TrimSuffix(l.hostPath(vm.Config.Files.VmPathName), ".vmx") + ".nvram"
	if info, err := os.Stat(p); err != nil || info.Size() == 0 {
		return ""
	}
	return p
}

func (l *lab) leaseTimeout() time.Duration {
	l.leases.mu.Lock()
	defer l.leases.mu.Unlock()
	return l.leases.timeout
}

// answerLease handles the calls on a lease that the simulator does not handle rightly.
func (l *lab) answerLease(w http.ResponseWriter, c call) bool {
	if l.leases.hasTimedOut(c.this) {
		writeFault(w, &types.Timedout{}, "The operation timed out: the lease had no progress in time.")
		return true
	}
	s := l.leases.byRef(c.this)
	if s == nil {
		return false
	}
	switch c.method {
	case "HttpNfcLeaseProgress":
		l.leases.mu.Lock()
		s.progress = time.Now()
		l.leases.mu.Unlock()
	case "HttpNfcLeaseGetManifest":
		m, err := l.manifest(s)
		if err != nil {
			writeFault(w, &types.FileFault{File: s.vmName}, err.Error())
			return true
		}
		writeResult(w, &types.HttpNfcLeaseGetManifestResponse{Returnval: m})
		return true
	}
	return false
}

func (t *leaseTable) hasTimedOut(ref types.ManagedObjectReference) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.timedOut {
		if r == ref {
			return true
		}
	}
	return false
}

// manifest lists an import's uploads, and an export's files as they lie here:
// summing them while they are sent would slow the transfer.
func (l *lab) manifest(s *lease) ([]types.HttpNfcLeaseManifestEntry, error) {
	out := []types.HttpNfcLeaseManifestEntry{}
	for _, f := range s.files {
		e := types.HttpNfcLeaseManifestEntry{Key: "/" + s.vm.Value + "/" + f.key, Disk: f.disk}
		if f.disk {
			e.Capacity = f.capacity
		}
		l.leases.mu.Lock()
		e.Sha1, e.Size = f.sha1, f.size
		l.leases.mu.Unlock()
		if s.kind == "import" && e.Sha1 == "" {
			continue // not uploaded yet
		}
		if s.kind == "export" {
			body, done, err := l.nfcSource(f)
			if err != nil {
				return nil, err
			}
			sum := sha1.New()
			e.Size, err = io.Copy(sum, body)
			done()
			if err != nil {
				return nil, err
			}
			e.Sha1 = hex.EncodeToString(sum.Sum(nil))
		}
		e.Checksum, e.ChecksumType = e.Sha1, "sha1"
		out = append(out, e)
	}
	return out, nil
}

// closeLease is the orderly end. An aborted import takes its machine with it.
func (l *lab) closeLease(ref types.ManagedObjectReference, aborted bool) {
	s := l.leases.byRef(ref)
	if s == nil {
		return
	}
	l.leases.remove(s)
	if aborted && s.kind == "import" {
		l.destroyMachine(s.vm)
	}
}

func (t *leaseTable) remove(s *lease) {
	t.mu.Lock()
	delete(t.open, s.token)
	t.mu.Unlock()
	for _, f := range s.files {
		f.discard()
	}
}

// endDeadLeases ends the leases of ended sessions and those without progress.
func (l *lab) endDeadLeases() {
	list := l.leases.list()
	if len(list) == 0 {
		return
	}
	living := map[string]bool{}
	for _, s := range l.livingSessions() {
		living[s.Key] = true
	}
	for _, s := range list {
		late := time.Since(s.progress) > l.leaseTimeout()
		if !late && living[s.session] {
			continue
		}
		log.Printf("%s lease of %s ends: no progress: %t, session lives: %t", s.kind, s.vmName, late, living[s.session])
		l.leases.remove(s)
		l.leases.mu.Lock()
		l.leases.timedOut = append(l.leases.timedOut, s.ref)
		l.leases.mu.Unlock()
		l.updateLease(s.object,
			types.PropertyChange{Name: "state", Val: types.HttpNfcLeaseStateError},
			types.PropertyChange{Name: "error", Val: &types.LocalizedMethodFault{
				Fault: &types.Timedout{}, LocalizedMessage: "The lease has timed out.",
			}})
		if s.kind == "import" {
			l.destroyMachine(s.vm)
		}
	}
}

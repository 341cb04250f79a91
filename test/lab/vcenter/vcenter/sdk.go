package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// serveSDK stands between the clients and the simulator's API. The simulator
// finds its own objects by their Go types, so replacing them by extended ones
// breaks it; wrapping the request and its answer does not.
func (l *lab) serveSDK(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "cannot read the request", http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	c := parseCall(body)
	l.requests.method(c.method, r)

	rule := l.faults.take(c.method, l.nameOf(c.this), c.name)
	if rule != nil && l.applyBefore(w, r, c, rule) {
		return
	}
	if l.answer(w, r, c) {
		return
	}

	var busy *types.ManagedObjectReference
	if exclusive[c.method] && l.sessionOf(r) != "" {
		vm := l.entityOf(c)
		if !l.occupy(vm) {
			f, _ := newFault("TaskInProgress", vm)
			writeTask(w, c.method, l.failingTask(c, f, "Another task is already in progress.", func() {}))
			return
		}
		busy = &vm
	}

	rec := &recorder{header: http.Header{}}
	l.stock.ServeHTTP(rec, r)
	if rec.status == 0 { // the simulator could not encode its answer, and said nothing
		rec.WriteHeader(http.StatusInternalServerError)
	}
	if busy != nil {
		hold := func() {}
		if rule != nil && rule.slow(c) {
			hold, rule = rule.delay, nil
		}
		rec = l.releaseAfter(c, *busy, rec, hold)
	}
	if rec.ok() {
		l.afterCall(r, c, rec)
	}
	if rule != nil && l.applyAfter(w, c, rule, rec) {
		return
	}
	rec.copyTo(w)
}

// exclusive are the operations of which a machine does one at a time. The
// simulator would begin them all, and panic when two remove the same snapshot.
var exclusive = map[string]bool{
	"CreateSnapshot_Task":          true,
	"CreateSnapshotEx_Task":        true,
	"RemoveSnapshot_Task":          true,
	"RemoveAllSnapshots_Task":      true,
	"RevertToSnapshot_Task":        true,
	"RevertToCurrentSnapshot_Task": true,
	"Destroy_Task":                 true,
}

func (l *lab) occupy(vm types.ManagedObjectReference) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy[vm] {
		return false
	}
	l.busy[vm] = true
	return true
}

func (l *lab) release(vm types.ManagedObjectReference) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.busy, vm)
}

// releaseAfter lets the machine go before the client can see that the task has
// ended: it may come with the next one at once.
func (l *lab) releaseAfter(c call, vm types.ManagedObjectReference, rec *recorder, hold func()) *recorder {
	inner, ok := rec.returned()
	if !rec.ok() || !ok {
		l.release(vm)
		return rec
	}
	dir := ""
	if c.method == "Destroy_Task" {
		dir = l.machineDir(c.this)
	}
	out := &recorder{header: http.Header{}}
	writeTask(out, c.method, l.followTask(c.method, vm, inner, func() {
		// The simulator deletes the files of a machine after its task has ended.
		if dir != "" && l.waitTask(inner).Error == nil {
			_ = os.RemoveAll(dir)
		}
		if strings.Contains(c.method, "Snapshot") {
			l.setParents(vm)
		}
		hold()
		l.release(vm)
	}))
	return out
}

func (c call) isTask() bool { return strings.HasSuffix(c.method, "_Task") }

// applyBefore carries out a rule that leaves the method without effect.
func (l *lab) applyBefore(w http.ResponseWriter, r *http.Request, c call, rule *faultRule) bool {
	if rule.Fault == "" {
		if !rule.slow(c) {
			rule.delay()
		}
		return false
	}
	if rule.AfterEffect {
		return false
	}
	fault, _ := newFault(rule.Fault, c.this)
	if rule.InTask && c.isTask() {
		if l.sessionOf(r) == "" {
			return false // the simulator answers that nobody is logged in
		}
		writeTask(w, c.method, l.failingTask(c, fault, rule.message(), rule.delay))
		return true
	}
	rule.delay()
	writeFault(w, fault, rule.message())
	return true
}

// applyAfter carries out a rule once the method has had its effect.
func (l *lab) applyAfter(w http.ResponseWriter, c call, rule *faultRule, rec *recorder) bool {
	if !rec.ok() {
		return false
	}
	inner, isRef := rec.returned()
	if isRef && rule.slow(c) {
		writeTask(w, c.method, l.followTask(c.method, l.entityOf(c), inner, rule.delay))
		return true
	}
	if !rule.AfterEffect || rule.Fault == "" {
		return false
	}
	fault, _ := newFault(rule.Fault, c.this)
	if c.isTask() && isRef {
		l.waitTask(inner) // so that the effect is there when the client hears of the fault
	}
	if rule.InTask && c.isTask() {
		writeTask(w, c.method, l.failingTask(c, fault, rule.message(), rule.delay))
		return true
	}
	rule.delay()
	writeFault(w, fault, rule.message())
	return true
}

func (l *lab) failingTask(c call, fault types.BaseMethodFault, message string, delay func()) types.ManagedObjectReference {
	return l.startTask(c.method, l.entityOf(c), func() (types.AnyType, types.BaseMethodFault, string) {
		delay()
		return nil, fault, message
	})
}

// entityOf is what a task of a call is about: for a snapshot, its machine.
func (l *lab) entityOf(c call) types.ManagedObjectReference {
	if s, ok := l.registry().Get(c.this).(*simulator.VirtualMachineSnapshot); ok {
		return s.Vm
	}
	return c.this
}

// answer replies to the calls that the simulator lacks or gets wrong.
func (l *lab) answer(w http.ResponseWriter, r *http.Request, c call) bool {
	session := ""
	switch c.method {
	case "ConsolidateVMDisks_Task", "RemoveSnapshot_Task", "RemoveAllSnapshots_Task", "CreateVM_Task", "HasPrivilegeOnEntities",
		"HttpNfcLeaseGetManifest", "HttpNfcLeaseProgress", "HttpNfcLeaseComplete", "HttpNfcLeaseAbort":
		if session = l.sessionOf(r); session == "" {
			return false
		}
	}
	switch c.method {
	case "ConsolidateVMDisks_Task":
		vm := l.virtualMachine(c.this)
		if vm == nil {
			return false
		}
		writeTask(w, c.method, l.startTask(c.method, c.this, func() (types.AnyType, types.BaseMethodFault, string) {
			l.setConsolidation(vm, false)
			return nil, nil, ""
		}))
		return true
	case "RemoveSnapshot_Task", "RemoveAllSnapshots_Task":
		// A snapshot cannot go while its disks are being read.
		if l.leases.exports(l.entityOf(c)) {
			f, _ := newFault("TaskInProgress", c.this)
			writeTask(w, c.method, l.failingTask(c, f, "Another task is already in progress.", func() {}))
			return true
		}
	case "CreateVM_Task":
		if vm := l.machine(c.name); vm != nil && vm.Parent != nil && *vm.Parent == c.this {
			f := &types.DuplicateName{Name: c.name, Object: vm.Self}
			writeTask(w, c.method, l.failingTask(c, f, "The name '"+c.name+"' already exists.", func() {}))
			return true
		}
	case "RefreshDatastore":
		if l.setRoom(c.this) {
			writeResult(w, &types.RefreshDatastoreResponse{})
			return true
		}
	case "HasPrivilegeOnEntities":
		return l.answerPrivileges(w, r)
	case "HttpNfcLeaseProgress", "HttpNfcLeaseComplete", "HttpNfcLeaseAbort", "HttpNfcLeaseGetManifest":
		return l.answerLease(w, c)
	}
	return false
}

// beforeCall is the simulator's hook for every call, also the lab's own. It may
// mend the parameters, or refuse what would make a task of the simulator panic,
// which no recover of ours could reach.
func (l *lab) beforeCall(ctx *simulator.Context, m *simulator.Method) (mo.Reference, types.BaseMethodFault) {
	if ctx.Session != nil {
		l.rememberSession(ctx.Session)
	}
	switch req := m.Body.(type) {
	case *types.SearchDatastore_Task:
		matchAll(&req.SearchSpec)
	case *types.SearchDatastoreSubFolders_Task:
		matchAll(&req.SearchSpec)
	case *types.CreateSnapshot_Task:
		// "If the virtual machine is powered off or VMware Tools are not available, the quiesce flag is ignored."
		req.Quiesce = req.Quiesce && l.canQuiesce(m.This)
	case *types.CreateSnapshotEx_Task:
		if !l.canQuiesce(m.This) {
			req.QuiesceSpec = nil
		}
	case *types.CreateVM_Task:
		labelDisks(&req.Config)
		l.rotateLog(&req.Config)
		return nil, l.checkPlace(&req.Config, &req.Pool, req.Host, nil)
	case *types.ImportVApp:
		if s, ok := req.Spec.(*types.VirtualMachineImportSpec); ok {
			if vm := l.machine(s.ConfigSpec.Name); vm != nil && (req.Folder == nil || *vm.Parent == *req.Folder) {
				return nil, &types.DuplicateName{Name: s.ConfigSpec.Name, Object: vm.Self}
			}
			labelDisks(&s.ConfigSpec)
			return nil, l.checkPlace(&s.ConfigSpec, &m.This, req.Host, req.Folder)
		}
	case *types.Destroy_Task:
		if vm := l.virtualMachine(m.This); vm != nil {
			l.mu.Lock()
			l.dirs[m.This] = vm.Config.Files.VmPathName
			l.mu.Unlock()
		}
	case *types.RegisterVM_Task:
		for _, ref := range []*types.ManagedObjectReference{req.Pool, req.Host} {
			if ref != nil && l.registry().Get(*ref) == nil {
				return nil, &types.ManagedObjectNotFound{Obj: *ref}
			}
		}
		return nil, l.checkPath(req.Path)
	case *types.ReconfigVM_Task:
		return nil, l.checkDevices(&req.Spec)
	}
	return nil, nil
}

func (l *lab) canQuiesce(ref types.ManagedObjectReference) bool {
	vm := l.virtualMachine(ref)
	return vm != nil && vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn &&
		vm.Guest != nil && vm.Guest.ToolsRunningStatus == string(types.VirtualMachineToolsRunningStatusGuestToolsRunning)
}

// rotateLog puts aside the log of a former machine in the same directory, as a
// host does. The simulator would refuse to make the machine.
func (l *lab) rotateLog(spec *types.VirtualMachineConfigSpec) {
	if spec.Files == nil || !strings.HasSuffix(spec.Files.VmPathName, ".vmx") {
		return
	}
	if vmx := l.hostPath(spec.Files.VmPathName); vmx != "" && !exists(vmx) {
		dir := filepath.Dir(vmx)
		_ = os.Rename(filepath.Join(dir, "vmware.log"), filepath.Join(dir, "vmware-1.log"))
	}
}

// labelDisks names new disks as vSphere does. The simulator would call them
// after their keys.
func labelDisks(spec *types.VirtualMachineConfigSpec) {
	n := 0
	for _, c := range spec.DeviceChange {
		s := c.GetVirtualDeviceConfigSpec()
		if s == nil {
			continue
		}
		disk, ok := s.Device.(*types.VirtualDisk)
		if !ok {
			continue
		}
		n++
		if disk.DeviceInfo == nil {
			disk.DeviceInfo = &types.Description{Label: fmt.Sprintf("Hard disk %d", n)}
		}
	}
}

func matchAll(s **types.HostDatastoreBrowserSearchSpec) {
	if *s == nil {
		*s = &types.HostDatastoreBrowserSearchSpec{}
	}
	if len((*s).MatchPattern) == 0 {
		(*s).MatchPattern = []string{"*"}
	}
}

// afterCall takes note of what a successful call brought about.
func (l *lab) afterCall(r *http.Request, c call, rec *recorder) {
	switch c.method {
	case "ExportSnapshot":
		if ref, ok := rec.returned(); ok {
			l.openExport(l.sessionOf(r), r.Host, c.this, ref)
		}
	case "ImportVApp":
		if ref, ok := rec.returned(); ok {
			l.openImport(l.sessionOf(r), r.Host, ref)
		}
	case "HttpNfcLeaseComplete", "HttpNfcLeaseAbort":
		l.closeLease(c.this, c.method == "HttpNfcLeaseAbort")
	case "AcquireGenericServiceTicket":
		if m := returnedID.FindSubmatch(rec.body.Bytes()); m != nil {
			l.rememberTicket(string(m[1]), l.sessionOf(r))
		}
	}
}

// machineDir is the directory of a machine on this host, also when the machine
// has just gone.
func (l *lab) machineDir(ref types.ManagedObjectReference) string {
	l.mu.Lock()
	p := l.dirs[ref]
	l.mu.Unlock()
	if vm := l.virtualMachine(ref); vm != nil && vm.Config != nil {
		p = vm.Config.Files.VmPathName
	}
	var d object.DatastorePath
	if !d.FromString(p) || !strings.Contains(d.Path, "/") {
		return ""
	}
	d.Path = d.Path[:strings.LastIndex(d.Path, "/")]
	return l.hostPath(d.String())
}

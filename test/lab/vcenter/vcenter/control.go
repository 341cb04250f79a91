package main

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// serveControl serves the control plane, by which tests make things go wrong
// and look at what their subject left behind.
func (l *lab) serveControl(ln net.Listener) error {
	m := http.NewServeMux()
	handle := func(pattern string, f func(r *http.Request) (any, error)) {
		m.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			v, err := f(r)
			status := http.StatusOK
			if err != nil {
				status, v = http.StatusBadRequest, map[string]string{"error": err.Error()}
				if errors.Is(err, errUnknown) {
					status = http.StatusNotFound
				}
			}
			if v == nil {
				v = struct{}{}
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(v)
		})
	}

	handle("POST /faults", l.postFault)
	handle("GET /faults", func(*http.Request) (any, error) { return l.faults.list(), nil })
	handle("DELETE /faults", func(*http.Request) (any, error) { l.faults.clear(); return nil, nil })
	handle("POST /throttle", l.postThrottle)
	handle("POST /tear", l.postTear)
	handle("POST /corrupt", l.postCorrupt)
	handle("DELETE /traffic", func(*http.Request) (any, error) { l.traffic.clear(); return nil, nil })
	handle("GET /leases", l.getLeases)
	handle("POST /leases", l.postLeases)
	handle("GET /sessions", l.getSessions)
	handle("POST /sessions/expire", l.expireSessions)
	handle("GET /vms", l.getMachines)
	handle("POST /vms/{name}/consolidation", l.postConsolidation)
	handle("GET /tasks", l.getTasks)
	handle("GET /files", l.getFiles)
	handle("POST /outage", l.postOutage)
	handle("POST /datastores/{name}/room", l.postRoom)
	handle("POST /privileges", l.postPrivileges)
	handle("DELETE /requests", func(*http.Request) (any, error) { l.requests.reset(); return nil, nil })
	handle("GET /requests", func(*http.Request) (any, error) {
		l.requests.mu.Lock()
		defer l.requests.mu.Unlock()
		b, err := json.Marshal(&l.requests)
		return json.RawMessage(b), err
	})
	s := &http.Server{Handler: m, ErrorLog: log.New(os.Stderr, "control: ", log.Flags())}
	return s.Serve(ln)
}

var errUnknown = errors.New("not found")

// read takes a request's JSON. A misspelt field is an error: a test that sets
// nothing by mistake would pass for the wrong reason.
func read[T any](r *http.Request) (v T, err error) {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err = d.Decode(&v); err == io.EOF {
		err = nil
	}
	return v, err
}

func (l *lab) postFault(r *http.Request) (any, error) {
	rule, err := read[faultRule](r)
	if err != nil {
		return nil, err
	}
	id, err := l.faults.add(rule)
	return map[string]int{"id": id}, err
}

func checkTransferPath(p string) error {
	if p != "" && p != nfcPath && p != folderPath {
		return errors.New(`path must be "/nfc", "/folder" or ""`)
	}
	return nil
}

func (l *lab) postThrottle(r *http.Request) (any, error) {
	v, err := read[struct {
		BytesPerSecond int64  `json:"bytesPerSecond"`
		Path           string `json:"path"`
	}](r)
	if err = errors.Join(err, checkTransferPath(v.Path)); err != nil {
		return nil, err
	}
	l.traffic.throttle(v.Path, v.BytesPerSecond)
	return nil, nil
}

func (l *lab) postTear(r *http.Request) (any, error) {
	v, err := read[tear](r)
	if err = errors.Join(err, checkTransferPath(v.Path)); err != nil {
		return nil, err
	}
	v.Count = max(v.Count, 1)
	if v.Mode = or(v.Mode, "reset"); v.Mode != "reset" && v.Mode != "clean" {
		return nil, errors.New(`mode must be "reset" or "clean"`)
	}
	l.traffic.addTear(v)
	return nil, nil
}

func (l *lab) postCorrupt(r *http.Request) (any, error) {
	v, err := read[corruption](r)
	if err = errors.Join(err, checkTransferPath(v.Path)); err != nil {
		return nil, err
	}
	v.Count = max(v.Count, 1)
	l.traffic.addCorruption(v)
	return nil, nil
}

func (l *lab) getLeases(*http.Request) (any, error) {
	type entry struct {
		ID         string    `json:"id"`
		Kind       string    `json:"kind"`
		VM         string    `json:"vm"`
		State      string    `json:"state"`
		SessionKey string    `json:"sessionKey"`
		OpenedAt   time.Time `json:"openedAt"`
		ProgressAt time.Time `json:"progressAt"`
		Percent    int32     `json:"percent"`
	}
	out := []entry{}
	for _, s := range l.leases.list() {
		e := entry{ID: s.ref.Value, Kind: s.kind, VM: s.vmName, SessionKey: s.session, OpenedAt: s.opened, ProgressAt: s.progress}
		l.registry().WithLock(l.context(), s.object, func() {
			e.State, e.Percent = string(s.object.State), s.object.TransferProgress
		})
		out = append(out, e)
	}
	return out, nil
}

func (l *lab) postLeases(r *http.Request) (any, error) {
	v, err := read[struct {
		TimeoutSeconds *float64 `json:"timeoutSeconds"`
		ReadyAfterMs   *int     `json:"readyAfterMs"`
	}](r)
	if err != nil {
		return nil, err
	}
	l.leases.mu.Lock()
	defer l.leases.mu.Unlock()
	if v.TimeoutSeconds != nil {
		l.leases.timeout = time.Duration(*v.TimeoutSeconds * float64(time.Second))
	}
	if v.ReadyAfterMs != nil {
		l.leases.readyAfter = time.Duration(*v.ReadyAfterMs) * time.Millisecond
	}
	return nil, nil
}

func (l *lab) getSessions(*http.Request) (any, error) {
	type entry struct {
		Key        string    `json:"key"`
		User       string    `json:"user"`
		UserAgent  string    `json:"userAgent"`
		LastActive time.Time `json:"lastActive"`
	}
	out := []entry{}
	for _, s := range l.livingSessions() {
		out = append(out, entry{s.Key, s.UserName, s.UserAgent, s.LastActiveTime})
	}
	return out, nil
}

func (l *lab) expireSessions(*http.Request) (any, error) {
	var keys []string
	for _, s := range l.livingSessions() {
		keys = append(keys, s.Key)
	}
	l.endSessions(keys)
	l.endDeadLeases()
	return map[string]int{"ended": len(keys)}, nil
}

type machineEntry struct {
	MoRef               string            `json:"moref"`
	Name                string            `json:"name"`
	InstanceUUID        string            `json:"instanceUuid"`
	BIOSUUID            string            `json:"biosUuid"`
	PowerState          string            `json:"powerState"`
	Annotation          string            `json:"annotation"`
	ConsolidationNeeded bool              `json:"consolidationNeeded"`
	VMXPath             string            `json:"vmxPath"`
	Snapshots           []snapshotEntry   `json:"snapshots"`
	Disks               []diskEntry       `json:"disks"`
	ExtraConfig         map[string]string `json:"extraConfig"`
}

type snapshotEntry struct {
	Name        string    `json:"name"`
	Description string    `json:"description"`
	MoRef       string    `json:"moref"`
	Quiesced    bool      `json:"quiesced"`
	CreatedAt   time.Time `json:"createdAt"`
}

type diskEntry struct {
	Label             string `json:"label"`
	Path              string `json:"path"`
	Capacity          int64  `json:"capacity"`
	ControllerBusUnit string `json:"controllerBusUnit"`
}

func (l *lab) getMachines(*http.Request) (any, error) {
	out := []machineEntry{}
	for _, e := range l.registry().All("VirtualMachine") {
		vm, ok := e.(*simulator.VirtualMachine)
		if !ok {
			continue
		}
		l.registry().WithLock(l.context(), vm, func() {
			if vm.Config != nil {
				out = append(out, describe(vm))
			}
		})
	}
	return out, nil
}

func describe(vm *simulator.VirtualMachine) machineEntry {
	e := machineEntry{
		MoRef: vm.Self.Value, Name: vm.Name,
		InstanceUUID: vm.Config.InstanceUuid, BIOSUUID: vm.Config.Uuid,
		PowerState: string(vm.Runtime.PowerState), Annotation: vm.Config.Annotation,
		VMXPath: vm.Config.Files.VmPathName, ConsolidationNeeded: vm.Runtime.ConsolidationNeeded,
		Snapshots: []snapshotEntry{}, Disks: []diskEntry{}, ExtraConfig: map[string]string{},
	}
	var walk func([]types.VirtualMachineSnapshotTree)
	walk = func(tree []types.VirtualMachineSnapshotTree) {
		for _, s := range tree {
			e.Snapshots = append(e.Snapshots, snapshotEntry{s.Name, s.Description, s.Snapshot.Value, s.Quiesced, s.CreateTime})
			walk(s.ChildSnapshotList)
		}
	}
	if vm.Snapshot != nil {
		walk(vm.Snapshot.RootSnapshotList)
	}
	list := object.VirtualDeviceList(vm.Config.Hardware.Device)
	for _, d := range list {
		disk, ok := d.(*types.VirtualDisk)
		if !ok {
			continue
		}
		x := diskEntry{Capacity: disk.CapacityInBytes, ControllerBusUnit: place(list, disk)}
		if b, ok := disk.Backing.(types.BaseVirtualDeviceFileBackingInfo); ok {
			x.Path = b.GetVirtualDeviceFileBackingInfo().FileName
		}
		if disk.DeviceInfo != nil {
			x.Label = disk.DeviceInfo.GetDescription().Label
		}
		e.Disks = append(e.Disks, x)
	}
	for _, o := range vm.Config.ExtraConfig {
		v := o.GetOptionValue()
		if s, ok := v.Value.(string); ok {
			e.ExtraConfig[v.Key] = s
		}
	}
	return e
}

func (l *lab) postConsolidation(r *http.Request) (any, error) {
	v, err := read[struct {
		Needed bool `json:"needed"`
	}](r)
	if err != nil {
		return nil, err
	}
	vm := l.machine(r.PathValue("name"))
	if vm == nil {
		return nil, errUnknown
	}
	l.setConsolidation(vm, v.Needed)
	return nil, nil
}

func (l *lab) getTasks(*http.Request) (any, error) {
	type entry struct {
		MoRef      string    `json:"moref"`
		Name       string    `json:"name"`
		Entity     string    `json:"entity"`
		EntityName string    `json:"entityName"`
		State      string    `json:"state"`
		QueuedAt   time.Time `json:"queuedAt"`
	}
	out := []entry{}
	for _, o := range l.registry().AllReference("Task") {
		t, ok := o.(*simulator.Task)
		if !ok {
			continue
		}
		var i types.TaskInfo
		l.registry().WithLock(l.context(), t, func() { i = t.Info })
		if i.State != types.TaskInfoStateRunning && i.State != types.TaskInfoStateQueued {
			continue
		}
		e := entry{MoRef: i.Key, Name: i.Name, State: string(i.State), QueuedAt: i.QueueTime}
		if i.Entity != nil {
			e.Entity, e.EntityName = i.Entity.Value, l.nameOf(*i.Entity)
		}
		out = append(out, e)
	}
	return out, nil
}

func (l *lab) getFiles(r *http.Request) (any, error) {
	ds := l.datastore(or(r.URL.Query().Get("datastore"), mainDatastore))
	if ds == nil {
		return nil, errUnknown
	}
	return listFiles(ds.Summary.Url)
}

// postRoom says how much room a datastore has, from now on.
func (l *lab) postRoom(r *http.Request) (any, error) {
	v, err := read[struct {
		FreeBytes int64 `json:"freeBytes"`
	}](r)
	if err != nil {
		return nil, err
	}
	for _, o := range l.registry().All("Datastore") {
		ds, ok := o.(*simulator.Datastore)
		if !ok || ds.Name != r.PathValue("name") {
			continue
		}
		l.mu.Lock()
		l.room[ds.Self] = v.FreeBytes
		l.mu.Unlock()
		l.setRoom(ds.Self)
		return nil, nil
	}
	return nil, errUnknown
}

// setRoom shows the room that a datastore was given, if it was.
func (l *lab) setRoom(ref types.ManagedObjectReference) bool {
	l.mu.Lock()
	free, given := l.room[ref]
	l.mu.Unlock()
	ds, ok := l.registry().Get(ref).(*simulator.Datastore)
	if !given || !ok {
		return false
	}
	l.registry().AtomicUpdate(l.context(), ds, []types.PropertyChange{{Name: "summary.freeSpace", Val: free}})
	return true
}

func (l *lab) postOutage(r *http.Request) (any, error) {
	v, err := read[struct {
		Seconds float64 `json:"seconds"`
		On      *bool   `json:"on"`
	}](r)
	if err != nil {
		return nil, err
	}
	on := v.Seconds > 0
	if v.On != nil {
		on = *v.On
	}
	l.outage.set(on, time.Duration(v.Seconds*float64(time.Second)))
	return nil, nil
}

package main

import (
	"context"
	"crypto/tls"
	"net/url"
	"sync"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// lab is one simulated vCenter with all that the control plane can change.
type lab struct {
	options *options
	cert    *certificate
	model   *simulator.Model
	host    string // host:port under which this process reaches itself

	stock    serverHandler // the simulator's own HTTP handler
	faults   faultRules
	traffic  traffic
	leases   leaseTable
	requests requestLog
	outage   outage

	mu       sync.Mutex
	sessions map[string]*simulator.Session           // as last seen, by key: they own the leases
	tickets  map[string]string                       // datastore ticket -> session key
	dirs     map[types.ManagedObjectReference]string // .vmx paths of machines about to be destroyed
	busy     map[types.ManagedObjectReference]bool   // machines with a snapshot operation under way
	room     map[types.ManagedObjectReference]int64  // room of datastores, where a test has said it
	denied   map[string][]string                     // privileges that the user lacks, by the names of objects
	taskNo   int
}

func newLab(o *options, c *certificate) *lab {
	l := &lab{
		options:  o,
		cert:     c,
		busy:     map[types.ManagedObjectReference]bool{},
		sessions: map[string]*simulator.Session{},
		tickets:  map[string]string{},
		dirs:     map[types.ManagedObjectReference]string{},
		room:     map[types.ManagedObjectReference]int64{},
		denied:   map[string][]string{},
	}
	l.leases.open = map[string]*lease{}
	l.leases.timeout = o.leaseTimeout
	l.leases.readyAfter = 100 * time.Millisecond
	l.requests.reset()
	return l
}

// attachService turns the model into a service. The simulator's own listener is
// closed at once: the lab serves the simulator's handler on a listener of its
// own, which can break connections and wrap every request.
func (l *lab) attachService(host string) error {
	l.host = host
	s := l.model.Service
	s.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword(l.options.user, l.options.password)}
	s.RegisterEndpoints = true
	srv := s.NewServer()
	l.stock = srv.Config.Handler
	_ = srv.Listener.Close()

	sm := l.registry().SessionManager()
	sm.ServiceHostName = host
	sm.TLS = l.tlsConfig
	l.registry().OptionManager().UpdateOptions(&types.UpdateOptions{
		ChangedValue: []types.BaseOptionValue{
			&types.OptionValue{Key: "vcsim.server.url", Value: "https://" + host + "/sdk"},
			&types.OptionValue{Key: "config.vmacore.soap.sessionTimeout", Value: l.options.sessionTimeout.String()},
		},
	})
	l.registry().Handler = l.beforeCall
	return nil
}

func (l *lab) tlsConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{l.cert.tls}, NextProtos: []string{"http/1.1"}}
}

func (l *lab) registry() *simulator.Registry { return l.model.Map() }

// context is a new one each time: the simulator's object locks are re-entrant
// by context, so two goroutines that share one would not exclude each other.
func (l *lab) context() *simulator.Context {
	c := *l.model.Service.Context
	return &c
}

// client talks to the simulator without HTTP and without a login.
func (l *lab) client() *vim25.Client {
	c, err := vim25.NewClient(context.Background(), l.model.Service)
	if err != nil {
		panic(err) // in process: only a broken model can cause it
	}
	return c
}

func (l *lab) serviceContent() types.ServiceContent {
	return l.registry().Get(vim25.ServiceInstance).(*simulator.ServiceInstance).Content
}

func (l *lab) datacenter() *simulator.Datacenter {
	return l.registry().Any("Datacenter").(*simulator.Datacenter)
}

func (l *lab) datastore(name string) *simulator.Datastore {
	for _, e := range l.registry().All("Datastore") {
		if ds, ok := e.(*simulator.Datastore); ok && ds.Name == name {
			return ds
		}
	}
	return nil
}

// hostPath is where a datastore path lies on this machine, or "".
func (l *lab) hostPath(datastorePath string) string {
	var p object.DatastorePath
	if !p.FromString(datastorePath) {
		return ""
	}
	ds := l.datastore(p.Datastore)
	if ds == nil {
		return ""
	}
	return within(ds.Summary.Url, p.Path)
}

func (l *lab) machine(name string) *simulator.VirtualMachine {
	for _, e := range l.registry().All("VirtualMachine") {
		if vm, ok := e.(*simulator.VirtualMachine); ok && vm.Name == name {
			return vm
		}
	}
	return nil
}

func (l *lab) virtualMachine(ref types.ManagedObjectReference) *simulator.VirtualMachine {
	vm, _ := l.registry().Get(ref).(*simulator.VirtualMachine)
	return vm
}

// nameOf is the name tests know an object by. A snapshot or a lease counts as
// its machine, since neither has a name that a test could foresee.
func (l *lab) nameOf(ref types.ManagedObjectReference) string {
	switch o := l.registry().Get(ref).(type) {
	case *simulator.VirtualMachineSnapshot:
		return l.nameOf(o.Vm)
	case mo.Entity:
		return o.Entity().Name
	}
	if s := l.leases.byRef(ref); s != nil {
		return s.vmName
	}
	return ""
}

// watch ends what nobody keeps alive: idle sessions, and leases without progress.
func (l *lab) watch() {
	for range time.Tick(250 * time.Millisecond) {
		l.endIdleSessions()
		l.endDeadLeases()
	}
}

package main

import (
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

// faultRule makes calls fail. The simulator's own injector can only fail a call
// before it has any effect; lost answers and failing tasks need more.
type faultRule struct {
	ID         int    `json:"id"`
	Method     string `json:"method"`
	ObjectName string `json:"objectName"`
	Fault      string `json:"fault"` // empty: only the delay
	Count      int    `json:"count"` // 0: until cleared
	Skip       int    `json:"skip"`
	DelayMs    int    `json:"delayMs"`
	Message    string `json:"message"`
	// AfterEffect lets the method do its work first: the answer is what is lost.
	AfterEffect bool `json:"afterEffect"`
	// InTask lets the call succeed and the task that it returns end in the fault.
	InTask bool `json:"inTask"`
	Hits   int  `json:"hits"`
}

type faultRules struct {
	mu    sync.Mutex
	no    int
	rules []*faultRule
}

func (f *faultRules) add(r faultRule) (int, error) {
	if r.Method == "" {
		return 0, fmt.Errorf("method is missing")
	}
	if r.Fault != "" {
		if _, err := newFault(r.Fault, types.ManagedObjectReference{}); err != nil {
			return 0, err
		}
	} else if r.DelayMs == 0 {
		return 0, fmt.Errorf("a rule needs a fault or a delay")
	}
	if r.ObjectName == "" {
		r.ObjectName = "*"
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.no++
	r.ID, r.Hits = f.no, 0
	f.rules = append(f.rules, &r)
	return r.ID, nil
}

func (f *faultRules) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
}

func (f *faultRules) list() []faultRule {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := []faultRule{}
	for _, r := range f.rules {
		out = append(out, *r)
	}
	return out
}

// take finds the rule for a call and uses it up by one.
func (f *faultRules) take(method string, names ...string) *faultRule {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.rules {
		if r.Method != "*" && r.Method != method || !nameMatches(r.ObjectName, names) {
			continue
		}
		if r.Count > 0 && r.Hits >= r.Count {
			continue
		}
		if r.Skip > 0 {
			r.Skip--
			continue
		}
		r.Hits++
		c := *r
		return &c
	}
	return nil
}

func nameMatches(want string, names []string) bool {
	if want == "*" {
		return true
	}
	for _, n := range names {
		if n == want {
			return true
		}
	}
	return false
}

func (r *faultRule) delay() { time.Sleep(time.Duration(r.DelayMs) * time.Millisecond) }

// slow rules let a task do its work and then keep it running for the delay.
func (r *faultRule) slow(c call) bool { return r.Fault == "" && r.InTask && c.isTask() }

func (r *faultRule) message() string {
	if r.Message != "" {
		return r.Message
	}
	return r.Fault + " injected by the lab"
}

var faultType = types.TypeFunc()

// newFault makes a fault of any type that vSphere knows, with the fields that
// its schema requires.
func newFault(name string, this types.ManagedObjectReference) (types.BaseMethodFault, error) {
	t, ok := faultType(name)
	if !ok || t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("no type %q", name)
	}
	v := reflect.New(t).Interface()
	fault, ok := v.(types.BaseMethodFault)
	if !ok {
		return nil, fmt.Errorf("%q is no fault", name)
	}
	switch f := v.(type) {
	case *types.NoPermission:
		f.Object, f.PrivilegeId = &this, "VirtualMachine.State.CreateSnapshot"
	case *types.NotAuthenticated:
		f.Object, f.PrivilegeId = &this, "System.View"
	case *types.TaskInProgress:
		f.Task = types.ManagedObjectReference{Type: "Task", Value: "task-1"}
	case *types.ResourceInUse:
		f.Type, f.Name = this.Type, this.Value
	case *types.ManagedObjectNotFound:
		f.Obj = this
	case types.BaseFileFault:
		f.GetFileFault().File = "[LocalDS_0] injected"
	}
	return fault, nil
}

package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// startTask runs work as a task of the lab's own. Unlike the simulator's tasks
// it does not hold its object's lock, so that a slow one blocks nobody's reads.
func (l *lab) startTask(method string, entity types.ManagedObjectReference, work func() (types.AnyType, types.BaseMethodFault, string)) types.ManagedObjectReference {
	l.mu.Lock()
	l.taskNo++
	value := fmt.Sprintf("task-%d", 900000+l.taskNo)
	l.mu.Unlock()

	now := time.Now()
	t := &simulator.Task{}
	t.Self = types.ManagedObjectReference{Type: "Task", Value: value}
	t.Info = types.TaskInfo{
		Key:           value,
		Task:          t.Self,
		Name:          method,
		DescriptionId: entity.Type + "." + strings.ToLower(method[:1]) + strings.TrimSuffix(method[1:], "_Task"),
		Entity:        &entity,
		EntityName:    l.nameOf(entity),
		State:         types.TaskInfoStateRunning,
		Reason:        &types.TaskReasonUser{UserName: l.options.user},
		QueueTime:     now,
		StartTime:     &now,
	}
	l.registry().Put(t)

	go func() {
		result, fault, message := work()
		changes := []types.PropertyChange{
			{Name: "info.completeTime", Val: time.Now()},
			{Name: "info.state", Val: types.TaskInfoStateSuccess},
		}
		if result != nil {
			changes = append(changes, types.PropertyChange{Name: "info.result", Val: result})
		}
		if fault != nil {
			changes[1].Val = types.TaskInfoStateError
			changes = append(changes, types.PropertyChange{
				Name: "info.error",
				Val:  types.LocalizedMethodFault{Fault: fault, LocalizedMessage: message},
			})
		}
		ctx := l.context()
		l.registry().AtomicUpdate(ctx, t, changes)
	}()
	return t.Self
}

// waitTask waits for one of the simulator's tasks and gives its outcome.
func (l *lab) waitTask(ref types.ManagedObjectReference) types.TaskInfo {
	t, ok := l.registry().Get(ref).(*simulator.Task)
	if !ok {
		return types.TaskInfo{State: types.TaskInfoStateError}
	}
	ctx := l.context()
	for {
		var info types.TaskInfo
		l.registry().WithLock(ctx, t, func() { info = t.Info })
		if info.State == types.TaskInfoStateSuccess || info.State == types.TaskInfoStateError {
			return info
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// followTask gives a task that ends as another one does, after some more work.
func (l *lab) followTask(method string, entity, inner types.ManagedObjectReference, after func()) types.ManagedObjectReference {
	return l.startTask(method, entity, func() (types.AnyType, types.BaseMethodFault, string) {
		info := l.waitTask(inner)
		after()
		if info.Error != nil {
			return nil, info.Error.Fault, info.Error.LocalizedMessage
		}
		return info.Result, nil, ""
	})
}

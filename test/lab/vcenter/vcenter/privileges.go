package main

import (
	"net/http"
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// authorization answers in the place of the simulator's manager, which grants
// everything: a test may have taken privileges away.
type authorization struct {
	mo.AuthorizationManager
	lab *lab
}

func (a *authorization) HasPrivilegeOnEntities(_ *simulator.Context, req *types.HasPrivilegeOnEntities) soap.HasFault {
	body := &methods.HasPrivilegeOnEntitiesBody{}
	if !a.lab.sessionLives(req.SessionId) {
		body.Fault_ = simulator.Fault("", &types.InvalidArgument{InvalidProperty: "sessionId"})
		return body
	}
	body.Res = &types.HasPrivilegeOnEntitiesResponse{}
	for _, entity := range req.Entity {
		if a.lab.registry().Get(entity) == nil {
			body.Fault_ = simulator.Fault("", &types.ManagedObjectNotFound{Obj: entity})
			return body
		}
		denied := a.lab.deniedOn(a.lab.nameOf(entity))
		answer := types.EntityPrivilege{Entity: entity}
		for _, id := range req.PrivId {
			answer.PrivAvailability = append(answer.PrivAvailability, types.PrivilegeAvailability{
				PrivId: id, IsGranted: !slices.Contains(denied, id),
			})
		}
		body.Res.Returnval = append(body.Res.Returnval, answer)
	}
	return body
}

func (l *lab) deniedOn(name string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.denied[name]
}

// postPrivileges says which privileges the user lacks on the object of a name,
// from now on. Only questions after them are answered so: no call is refused.
func (l *lab) postPrivileges(r *http.Request) (any, error) {
	v, err := read[struct {
		ObjectName string   `json:"objectName"`
		Denied     []string `json:"denied"`
	}](r)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.denied[v.ObjectName] = v.Denied
	return nil, nil
}

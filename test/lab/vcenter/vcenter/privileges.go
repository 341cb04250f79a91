package main

import (
	"bytes"
	"io"
	"net/http"
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// answerPrivileges answers in the place of the simulator's manager, which
// grants everything: a test may have taken privileges away.
func (l *lab) answerPrivileges(w http.ResponseWriter, r *http.Request) bool {
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil {
		return false
	}
	m, err := simulator.UnmarshalBody(types.TypeFunc(), body)
	if err != nil {
		return false
	}
	req, ok := m.Body.(*types.HasPrivilegeOnEntities)
	if !ok {
		return false
	}
	if !l.sessionLives(req.SessionId) {
		writeFault(w, &types.InvalidArgument{InvalidProperty: "sessionId"}, "A specified parameter was not correct: sessionId")
		return true
	}
	answer := &types.HasPrivilegeOnEntitiesResponse{}
	for _, entity := range req.Entity {
		if l.registry().Get(entity) == nil {
			writeFault(w, &types.ManagedObjectNotFound{Obj: entity}, "The object has already been deleted")
			return true
		}
		denied := l.deniedOn(l.nameOf(entity))
		told := types.EntityPrivilege{Entity: entity}
		for _, id := range req.PrivId {
			told.PrivAvailability = append(told.PrivAvailability, types.PrivilegeAvailability{
				PrivId: id, IsGranted: !slices.Contains(denied, id),
			})
		}
		answer.Returnval = append(answer.Returnval, told)
	}
	writeResult(w, answer)
	return true
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

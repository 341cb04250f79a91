package main

import (
	"net/http"
	"slices"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// livingSessions asks the simulator for its list. The list exists only in the
// view that a session gets of the SessionManager, hence the throwaway session.
func (l *lab) livingSessions() []types.UserSession {
	view := &simulator.Session{Registry: simulator.NewRegistry(), Map: l.registry()}
	sm, _ := view.Get(*l.serviceContent().SessionManager).(*simulator.SessionManager)
	if sm == nil {
		return nil
	}
	return sm.SessionList
}

func (l *lab) sessionLives(key string) bool {
	return key != "" && slices.ContainsFunc(l.livingSessions(), func(s types.UserSession) bool { return s.Key == key })
}

func (l *lab) endSessions(keys []string) {
	if len(keys) == 0 {
		return
	}
	l.registry().SessionManager().TerminateSession(l.context(), &types.TerminateSession{SessionId: keys})
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		delete(l.sessions, k)
	}
}

// endIdleSessions does in time what the simulator does only at multiples of the time-out.
func (l *lab) endIdleSessions() {
	var idle []string
	for _, s := range l.livingSessions() {
		if time.Since(s.LastActiveTime) > l.options.sessionTimeout {
			idle = append(idle, s.Key)
		}
	}
	l.endSessions(idle)
}

// sessionOf is the key of the living session that a request belongs to, or "".
// A datastore ticket, which vCenter hands out for /folder, stands for its session.
func (l *lab) sessionOf(r *http.Request) string {
	if c, err := r.Cookie(soap.SessionCookieName); err == nil && l.sessionLives(c.Value) {
		return c.Value
	}
	if c, err := r.Cookie("vmware_cgi_ticket"); err == nil {
		l.mu.Lock()
		key := l.tickets[c.Value]
		l.mu.Unlock()
		if l.sessionLives(key) {
			return key
		}
	}
	return ""
}

func (l *lab) rememberTicket(ticket, session string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tickets[ticket] = session
}

func (l *lab) rememberSession(s *simulator.Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sessions[s.Key] = s
}

func (l *lab) seenSession(key string) *simulator.Session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sessions[key]
}

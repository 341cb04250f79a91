package main

import (
	"crypto/tls"
	"log"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

const (
	folderPath = "/folder"
	nfcPath    = "/nfc"
)

type serverHandler = http.Handler

// serveFront serves what a vCenter serves: the API, datastore files, and disks of leases.
func (l *lab) serveFront(ln net.Listener) error {
	s := &http.Server{
		Handler:     http.HandlerFunc(l.front),
		ConnContext: rememberConnection,
		ErrorLog:    log.New(os.Stderr, "http: ", log.Flags()),
		// vCenter and ESXi speak HTTP/1.1 here, and a torn HTTP/2 stream would not be a torn connection.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	l.outage.conns = map[net.Conn]struct{}{}
	return s.Serve(tls.NewListener(&breakable{Listener: ln, outage: &l.outage}, l.tlsConfig()))
}

func (l *lab) front(w http.ResponseWriter, r *http.Request) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if v == http.ErrAbortHandler {
			panic(v)
		}
		log.Printf("panic in %s %s: %v\n%s", r.Method, r.URL.Path, v, debug.Stack())
		http.Error(w, "internal error of the simulator", http.StatusInternalServerError)
	}()
	switch p := r.URL.Path; {
	case p == "/sdk" || p == "/sdk/":
		r.URL.Path = "/sdk"
		l.serveSDK(w, r)
	case p == folderPath || strings.HasPrefix(p, folderPath+"/"):
		l.requests.file(folderPath, r)
		l.serveFolder(w, r)
	case strings.HasPrefix(p, nfcPath+"/"):
		l.requests.file(nfcPath, r)
		l.serveNFC(w, r)
	default:
		l.stock.ServeHTTP(w, r)
	}
}

// outage makes the server unreachable: running connections are reset, new ones too.
type outage struct {
	mu    sync.Mutex
	on    bool
	timer *time.Timer
	conns map[net.Conn]struct{}
}

// set begins or ends an outage; one with a duration ends by itself.
func (o *outage) set(on bool, d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.on = on
	if o.timer != nil {
		o.timer.Stop()
		o.timer = nil
	}
	if !on {
		return
	}
	for c := range o.conns {
		reset(c)
	}
	clear(o.conns)
	if d > 0 {
		o.timer = time.AfterFunc(d, func() { o.set(false, 0) })
	}
}

type breakable struct {
	net.Listener
	outage *outage
}

func (b *breakable) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		b.outage.mu.Lock()
		on := b.outage.on
		if !on {
			b.outage.conns[c] = struct{}{}
		}
		b.outage.mu.Unlock()
		if !on {
			return &trackedConn{Conn: c, outage: b.outage}, nil
		}
		reset(c)
	}
}

type trackedConn struct {
	net.Conn
	outage *outage
}

func (c *trackedConn) SetLinger(s int) error { return c.Conn.(*net.TCPConn).SetLinger(s) }

func (c *trackedConn) Close() error {
	c.outage.mu.Lock()
	delete(c.outage.conns, c.Conn)
	c.outage.mu.Unlock()
	return c.Conn.Close()
}

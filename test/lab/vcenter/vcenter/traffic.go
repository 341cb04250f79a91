package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// traffic is what the control plane does to the bytes of /nfc and /folder.
type traffic struct {
	mu       sync.Mutex
	limits   map[string]*limit
	tears    []*tear
	corrupts []*corruption
}

// limit is one bandwidth shared by all transfers under a path.
type limit struct {
	perSecond int64
	next      time.Time
}

type tear struct {
	Path       string `json:"path"`
	AfterBytes int64  `json:"afterBytes"`
	Count      int    `json:"count"`
	Mode       string `json:"mode"`
}

type corruption struct {
	Path   string `json:"path"`
	AtByte int64  `json:"atByte"`
	Count  int    `json:"count"`
}

var errTorn = errors.New("transfer torn by the control plane")

func (t *traffic) throttle(path string, perSecond int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.limits == nil {
		t.limits = map[string]*limit{}
	}
	paths := []string{path}
	if path == "" {
		paths = []string{nfcPath, folderPath}
	}
	for _, p := range paths {
		delete(t.limits, p)
		if perSecond > 0 {
			t.limits[p] = &limit{perSecond: perSecond}
		}
	}
}

func (t *traffic) addTear(x tear) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tears = append(t.tears, &x)
}

func (t *traffic) addCorruption(x corruption) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.corrupts = append(t.corrupts, &x)
}

func (t *traffic) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.limits, t.tears, t.corrupts = nil, nil, nil
}

// flow is one transfer. What is to go wrong with it is settled when it begins;
// the bandwidth can change while it runs.
type flow struct {
	traffic  *traffic
	path     string
	tearAt   int64 // -1: never
	tearMode string
	flipAt   int64 // -1: never
	done     int64
}

func (t *traffic) begin(path string, download bool) *flow {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := &flow{traffic: t, path: path, tearAt: -1, flipAt: -1}
	for _, x := range t.tears {
		if x.Count > 0 && (x.Path == "" || x.Path == path) {
			x.Count--
			f.tearAt, f.tearMode = x.AfterBytes, x.Mode
			break
		}
	}
	if !download {
		return f
	}
	for _, x := range t.corrupts {
		if x.Count > 0 && (x.Path == "" || x.Path == path) {
			x.Count--
			f.flipAt = x.AtByte
			break
		}
	}
	return f
}

// chunk is how much to move at once: little when slow, so that a new limit takes hold soon.
func (f *flow) chunk() int {
	f.traffic.mu.Lock()
	defer f.traffic.mu.Unlock()
	if l := f.traffic.limits[f.path]; l != nil {
		return int(min(max(l.perSecond/20, 1<<10), 1<<20))
	}
	return 1 << 20
}

func (f *flow) pace(n int) {
	f.traffic.mu.Lock()
	var wait time.Duration
	if l := f.traffic.limits[f.path]; l != nil {
		now := time.Now()
		if l.next.Before(now) {
			l.next = now
		}
		l.next = l.next.Add(time.Duration(float64(n) / float64(l.perSecond) * float64(time.Second)))
		wait = l.next.Sub(now)
	}
	f.traffic.mu.Unlock()
	time.Sleep(wait)
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 1<<20); return &b }}

// send copies a body to the client. base is the place of its first byte in the
// file, by which corruptions are addressed.
func (f *flow) send(w io.Writer, r io.Reader, base int64) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		n, err := r.Read((*buf)[:f.chunk()])
		p := (*buf)[:n]
		torn := f.tearAt >= 0 && f.done+int64(n) >= f.tearAt
		if torn {
			p = p[:f.tearAt-f.done]
		}
		if at := f.flipAt - base - f.done; f.flipAt >= 0 && at >= 0 && at < int64(len(p)) {
			p[at] ^= 0xff
		}
		if len(p) > 0 {
			f.pace(len(p))
			if _, werr := w.Write(p); werr != nil {
				return werr
			}
			f.done += int64(len(p))
		}
		switch {
		case torn:
			return errTorn
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// upload is a flow that stands before the body of a PUT or POST.
type upload struct {
	*flow
	body io.Reader
}

func (u *upload) Read(p []byte) (int, error) {
	p = p[:min(len(p), u.chunk())]
	if u.tearAt >= 0 {
		if u.done >= u.tearAt {
			return 0, errTorn
		}
		p = p[:min(int64(len(p)), u.tearAt-u.done)]
	}
	n, err := u.body.Read(p)
	u.pace(n)
	u.done += int64(n)
	return n, err
}

// breakConnection ends a torn transfer. "reset" makes the client see a broken
// connection. "clean" returns, so that a chunked body ends properly, too early;
// a body with a length cannot end so, and its connection is closed instead.
func (f *flow) breakConnection(w http.ResponseWriter, r *http.Request) {
	if f.tearMode == "clean" {
		return
	}
	if fl, ok := w.(http.Flusher); ok {
		fl.Flush()
	}
	time.Sleep(30 * time.Millisecond) // a reset discards what the client has not read yet
	resetConnection(r)
	panic(http.ErrAbortHandler)
}

type connKey struct{}

func rememberConnection(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

func resetConnection(r *http.Request) {
	if c, ok := r.Context().Value(connKey{}).(net.Conn); ok {
		reset(c)
	}
}

// reset closes a connection so that the other side gets RST instead of an orderly end.
func reset(c net.Conn) {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	if t, ok := c.(interface{ SetLinger(int) error }); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

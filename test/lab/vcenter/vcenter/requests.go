package main

import (
	"net/http"
	"sync"
)

// requestLog counts what clients did, so that a test can prove, say, that a
// resumed download did not begin at zero.
type requestLog struct {
	mu      sync.Mutex
	Methods map[string]*methodCount `json:"methods"`
	Paths   map[string]*pathCount   `json:"paths"`
}

type methodCount struct {
	Count         int    `json:"count"`
	LastUserAgent string `json:"lastUserAgent"`
}

type pathCount struct {
	Get           int         `json:"get"`
	Head          int         `json:"head"`
	Put           int         `json:"put"`
	BytesSent     int64       `json:"bytesSent"`
	BytesReceived int64       `json:"bytesReceived"`
	LastUserAgent string      `json:"lastUserAgent"`
	Gets          []getRecord `json:"gets"`
}

type getRecord struct {
	Path  string `json:"path"`
	Range string `json:"range"`
}

const maxGets = 1000

func (q *requestLog) reset() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.Methods = map[string]*methodCount{}
	q.Paths = map[string]*pathCount{
		folderPath: {Gets: []getRecord{}},
		nfcPath:    {Gets: []getRecord{}},
	}
}

func (q *requestLog) method(name string, r *http.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	m := q.Methods[name]
	if m == nil {
		m = &methodCount{}
		q.Methods[name] = m
	}
	m.Count++
	m.LastUserAgent = r.UserAgent()
}

func (q *requestLog) file(prefix string, r *http.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p := q.Paths[prefix]
	p.LastUserAgent = r.UserAgent()
	switch r.Method {
	case http.MethodGet:
		p.Get++
		if len(p.Gets) < maxGets {
			p.Gets = append(p.Gets, getRecord{r.URL.Path, r.Header.Get("Range")})
		}
	case http.MethodHead:
		p.Head++
	case http.MethodPut, http.MethodPost:
		p.Put++
	}
}

func (q *requestLog) moved(prefix string, sent, received int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.Paths[prefix].BytesSent += sent
	q.Paths[prefix].BytesReceived += received
}

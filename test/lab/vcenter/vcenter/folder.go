package main

import (
	"errors"
	"fmt"
	"html"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// serveFolder gives access to datastore files, as vCenter does to whoever has a
// session (the simulator itself would serve anybody).
func (l *lab) serveFolder(w http.ResponseWriter, r *http.Request) {
	if l.sessionOf(r) == "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="VMware HTTP server"`)
		http.Error(w, "no valid session", http.StatusUnauthorized)
		return
	}
	file := l.folderFile(r)
	if file == "" {
		http.NotFound(w, r)
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		l.folderGet(w, r, file)
	case http.MethodPut, http.MethodPost:
		l.folderPut(w, r, file)
	case http.MethodDelete:
		if err := os.Remove(file); err != nil {
			http.NotFound(w, r)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	}
}

// folderFile finds the file on this machine, or "" when the query names no
// datastore or another datacenter.
func (l *lab) folderFile(r *http.Request) string {
	q := r.URL.Query()
	if dc := strings.Trim(q.Get("dcPath"), "/"); dc != "" && dc != l.datacenter().Name {
		return ""
	}
	ds := l.datastore(q.Get("dsName"))
	if ds == nil {
		return ""
	}
	return within(ds.Summary.Url, strings.TrimPrefix(r.URL.Path, folderPath))
}

func (l *lab) folderGet(w http.ResponseWriter, r *http.Request, file string) {
	info, err := os.Stat(file)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	if info.IsDir() {
		folderIndex(w, file)
		return
	}

	var body io.ReaderAt
	size := info.Size()
	if strings.HasSuffix(file, ".vmdk") && isSparse(file) && exists(flatOf(file)) {
		// A host would never show the streamOptimized form, which is here only for /nfc.
		flat, err := os.Stat(flatOf(file))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		text := descriptor(filepath.Base(flatOf(file)), flat.Size(), "lsilogic")
		body, size = strings.NewReader(text), int64(len(text))
	} else {
		f, err := os.Open(file)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		defer f.Close()
		body = f
	}

	from, length, partial, err := byteRange(r.Header.Get("Range"), size)
	h := w.Header()
	if err != nil {
		h.Set("Content-Range", fmt.Sprintf("bytes */%d", size))
		http.Error(w, err.Error(), http.StatusRequestedRangeNotSatisfiable)
		return
	}
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Last-Modified", info.ModTime().UTC().Format(http.TimeFormat))
	h.Set("Content-Length", strconv.FormatInt(length, 10))
	status := http.StatusOK
	if partial {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, from+length-1, size))
		status = http.StatusPartialContent
	}
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}

	f := l.traffic.begin(folderPath, true)
	err = f.send(w, io.NewSectionReader(body, from, length), from)
	l.requests.moved(folderPath, f.done, 0)
	if errors.Is(err, errTorn) {
		f.breakConnection(w, r)
	}
}

// byteRange understands one range. Several at once are answered with the whole
// file, which HTTP allows.
func byteRange(header string, size int64) (from, length int64, partial bool, err error) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	if !ok || strings.Contains(spec, ",") {
		return 0, size, false, nil
	}
	first, last, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return 0, size, false, nil
	}
	bad := errors.New("range not satisfiable")
	if first == "" {
		n, e := strconv.ParseInt(last, 10, 64)
		if e != nil || n <= 0 {
			return 0, 0, false, bad
		}
		n = min(n, size)
		return size - n, n, true, nil
	}
	from, e := strconv.ParseInt(first, 10, 64)
	if e != nil || from < 0 || from >= size {
		return 0, 0, false, bad
	}
	end := size - 1
	if last != "" {
		n, e := strconv.ParseInt(last, 10, 64)
		if e != nil || n < from {
			return 0, 0, false, bad
		}
		end = min(end, n)
	}
	return from, end - from + 1, true, nil
}

func (l *lab) folderPut(w http.ResponseWriter, r *http.Request, file string) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		http.Error(w, "cannot make the directory", http.StatusInternalServerError)
		return
	}
	status := http.StatusCreated
	if exists(file) {
		status = http.StatusOK
	}
	f := l.traffic.begin(folderPath, false)
	err := receive(&upload{flow: f, body: r.Body}, file)
	l.requests.moved(folderPath, 0, f.done)
	if errors.Is(err, errTorn) {
		f.breakConnection(w, r)
	}
	if err != nil {
		// What arrived stays, as on a host: a client must not take its mere existence for success.
		log.Printf("upload of %s: %v", file, err)
		http.Error(w, "upload failed", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(status)
}

// receive stores a body, truncating what was there before.
func receive(body io.Reader, file string) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	sw := &sparseWriter{f: out}
	if _, err = io.CopyBuffer(struct{ io.Writer }{sw}, struct{ io.Reader }{body}, *buf); err != nil {
		_ = sw.finish()
		return err
	}
	return errors.Join(sw.finish(), out.Close())
}

func folderIndex(w http.ResponseWriter, dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, "<html><body><table>\n")
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue
		}
		name := e.Name()
		if e.IsDir() {
			name += "/"
		}
		fmt.Fprintf(w, "<tr><td>%s</td><td>%d</td><td>%s</td></tr>\n",
			html.EscapeString(name), info.Size(), info.ModTime().UTC().Format(time.RFC3339))
	}
	fmt.Fprint(w, "</table></body></html>\n")
}

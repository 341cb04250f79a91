package main

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// serveNFC moves the disks of a lease. The lease's URL is the permission, as on
// a host: there is no session here.
func (l *lab) serveNFC(w http.ResponseWriter, r *http.Request) {
	token, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, nfcPath+"/"), "/")
	s := l.leases.byToken(token)
	if s == nil {
		http.NotFound(w, r)
		return
	}
	var f *leaseFile
	for _, x := range s.files {
		if x.name == name {
			f = x
		}
	}
	if f == nil {
		http.NotFound(w, r)
		return
	}
	switch {
	case r.Method == http.MethodGet:
		l.nfcGet(w, r, f)
	case (r.Method == http.MethodPut || r.Method == http.MethodPost) && s.kind == "import":
		l.nfcPut(w, r, f)
	default:
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	}
}

// nfcGet sends a disk without saying how long it is: a host makes the stream as
// it goes, and does not know. There are no ranges either.
func (l *lab) nfcGet(w http.ResponseWriter, r *http.Request, f *leaseFile) {
	body, done, err := l.nfcSource(f)
	if err != nil {
		log.Printf("export of %s: %v", f.file, err)
		http.Error(w, "cannot read the disk", http.StatusInternalServerError)
		return
	}
	defer done()
	w.Header().Set("Content-Type", "application/x-vnd.vmware-streamVmdk")
	w.WriteHeader(http.StatusOK)
	if fl, ok := w.(http.Flusher); ok {
		fl.Flush() // settles for chunks, however small the body
	}
	t := l.traffic.begin(nfcPath, true)
	err = t.send(w, body, 0)
	l.requests.moved(nfcPath, t.done, 0)
	if errors.Is(err, errTorn) {
		t.breakConnection(w, r)
	}
}

// nfcSource gives the streamOptimized form of a disk: the stored file if it has
// that form, else one made from the raw bytes.
func (l *lab) nfcSource(f *leaseFile) (io.Reader, func(), error) {
	if !f.disk || isSparse(f.file) {
		in, err := os.Open(f.file)
		if err != nil {
			return nil, nil, err
		}
		return in, func() { in.Close() }, nil
	}
	// Made once in a lease: qemu-img's headers differ from run to run, and the
	// manifest must tell the sum of what was downloaded.
	f.making.Lock()
	defer f.making.Unlock()
	if f.made == "" {
		tmp, err := os.CreateTemp(l.options.state, "export-*.vmdk")
		if err != nil {
			return nil, nil, err
		}
		tmp.Close()
		err = execute("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", flatOf(f.file), tmp.Name())
		if err != nil {
			os.Remove(tmp.Name())
			return nil, nil, err
		}
		f.made = tmp.Name()
	}
	in, err := os.Open(f.made)
	if err != nil {
		return nil, nil, err
	}
	return in, func() { in.Close() }, nil
}

// discard removes what was made for a lease. Transfers that still read it may
// end in peace.
func (f *leaseFile) discard() {
	f.making.Lock()
	defer f.making.Unlock()
	if f.made != "" {
		os.Remove(f.made)
		f.made = ""
	}
}

// nfcPut stores an upload and makes the raw disk from it. It answers only then,
// so that a client which is told of success has a disk.
func (l *lab) nfcPut(w http.ResponseWriter, r *http.Request, f *leaseFile) {
	t := l.traffic.begin(nfcPath, false)
	sum := sha1.New()
	part := f.file + ".part"
	defer os.Remove(part)
	err := receive(io.TeeReader(&upload{flow: t, body: r.Body}, sum), part)
	l.requests.moved(nfcPath, 0, t.done)
	if errors.Is(err, errTorn) {
		t.breakConnection(w, r)
	}
	if err == nil {
		err = install(part, f)
	}
	if err != nil {
		log.Printf("import of %s: %v", f.file, err)
		http.Error(w, "import failed", http.StatusInternalServerError)
		return
	}
	l.leases.mu.Lock()
	f.sha1, f.size = hex.EncodeToString(sum.Sum(nil)), t.done
	l.leases.mu.Unlock()
	w.WriteHeader(http.StatusOK)
}

func install(part string, f *leaseFile) error {
	if !f.disk {
		return os.Rename(part, f.file)
	}
	if !isSparse(part) {
		return errors.New("not a streamOptimized disk")
	}
	raw := filepath.Join(filepath.Dir(f.file), ".import-"+filepath.Base(f.file))
	defer os.Remove(raw)
	if err := execute("qemu-img", "convert", "-f", "vmdk", "-O", "raw", part, raw); err != nil {
		return err
	}
	info, err := os.Stat(raw)
	if err != nil {
		return err
	}
	if info.Size() > f.capacity {
		return fmt.Errorf("disk of %d bytes is larger than the capacity %d", info.Size(), f.capacity)
	}
	if err := os.Truncate(raw, f.capacity); err != nil {
		return err
	}
	if err := os.Rename(raw, flatOf(f.file)); err != nil {
		return err
	}
	return os.Rename(part, f.file)
}

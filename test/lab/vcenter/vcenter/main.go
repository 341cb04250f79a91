// Command vcenter is the simulated vCenter (or ESXi host) that Everthaw's tests
// run against: VMware's own simulator plus what a backup needs and the
// simulator lacks. See the README beside this module.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vmware/govmomi/simulator"
)

type options struct {
	listen, control, state, vms  string
	user, password               string
	names                        []string
	esx                          bool
	crowd                        int
	sessionTimeout, leaseTimeout time.Duration
	instanceUUID                 string
}

// ready is the one line on standard output that tells the caller where the lab is.
type ready struct {
	URL              string `json:"url"`
	Control          string `json:"control"`
	CAFile           string `json:"caFile"`
	CertFile         string `json:"certFile"`
	ThumbprintSHA1   string `json:"thumbprintSha1"`
	ThumbprintSHA256 string `json:"thumbprintSha256"`
	InstanceUUID     string `json:"instanceUuid"`
	Datacenter       string `json:"datacenter"`
	Datastore        string `json:"datastore"`
	DatastoreDir     string `json:"datastoreDir"`
}

func main() {
	log.SetOutput(os.Stderr)
	o, err := readOptions()
	if err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vcenter:", err)
		os.Exit(1)
	}
}

func readOptions() (*options, error) {
	var o options
	var passwordFile, names string
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "address of the API, /folder and /nfc (TLS)")
	flag.StringVar(&o.control, "control", "127.0.0.1:0", "address of the control plane (plain HTTP)")
	flag.StringVar(&o.state, "state", "", "directory for everything the lab writes (required)")
	flag.StringVar(&o.vms, "vms", "", "JSON file describing the virtual machines")
	flag.StringVar(&o.user, "user", "", "user name (required)")
	flag.StringVar(&passwordFile, "password-file", "", "file with the password (required)")
	flag.StringVar(&names, "certificate-names", "localhost,127.0.0.1", "host names and addresses in the server's certificate")
	flag.BoolVar(&o.esx, "esx", false, "behave as a single ESXi host instead of a vCenter")
	flag.IntVar(&o.crowd, "crowd", 0, "number of machines to be listed and nothing else")
	flag.DurationVar(&o.sessionTimeout, "session-timeout", 30*time.Minute, "idle time after which a session ends")
	flag.DurationVar(&o.leaseTimeout, "lease-timeout", 300*time.Second, "time without progress after which an NFC lease ends")
	flag.StringVar(&o.instanceUUID, "instance-uuid", "", "about.instanceUuid (default: the simulator's own, always the same)")
	flag.Parse()

	if o.state == "" || o.user == "" || passwordFile == "" {
		return nil, fmt.Errorf("--state, --user and --password-file are required")
	}
	b, err := os.ReadFile(passwordFile)
	if err != nil {
		return nil, err
	}
	o.password = strings.TrimRight(string(b), "\r\n")
	for _, n := range strings.Split(names, ",") {
		if n = strings.TrimSpace(n); n != "" {
			o.names = append(o.names, n)
		}
	}
	if o.state, err = filepath.Abs(o.state); err != nil {
		return nil, err
	}
	return &o, nil
}

func run(o *options) error {
	if err := prepareState(o.state); err != nil {
		return err
	}
	cert, err := newCertificate(o.state, o.names)
	if err != nil {
		return err
	}

	l := newLab(o, cert)
	if err := l.createModel(); err != nil {
		return err
	}
	defer l.model.Remove()

	// Signals are handled from here on, so that an early one still removes the datastores.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)

	front, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	defer front.Close()
	control, err := net.Listen("tcp", o.control)
	if err != nil {
		return err
	}
	defer control.Close()

	if err := l.attachService(reachable(front.Addr())); err != nil {
		return err
	}
	if err := l.createMachines(o.vms); err != nil {
		return err
	}

	l.createCrowd(o.crowd)

	failed := make(chan error, 2)
	go func() { failed <- l.serveFront(front) }()
	go func() { failed <- l.serveControl(control) }()
	go l.watch()

	line := ready{
		URL:              "https://" + l.host + "/sdk",
		Control:          "http://" + reachable(control.Addr()),
		CAFile:           cert.caFile,
		CertFile:         cert.certFile,
		ThumbprintSHA1:   cert.sha1,
		ThumbprintSHA256: cert.sha256,
		InstanceUUID:     l.serviceContent().About.InstanceUuid,
		Datacenter:       l.datacenter().Name,
		Datastore:        "LocalDS_0",
		DatastoreDir:     l.datastore("LocalDS_0").Summary.Url,
	}
	if err := writeLine(os.Stdout, line); err != nil {
		return err
	}

	select {
	case err := <-failed:
		return err
	case s := <-stop:
		log.Printf("%s: ending", s)
		return nil
	}
}

// prepareState makes the state directory the home of all files. Datastores that
// a killed predecessor left there are removed: nothing refers to them any more.
func prepareState(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, pattern := range []string{"govcsim-*", "export-*.vmdk"} {
		left, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, d := range left {
			if err := os.RemoveAll(d); err != nil {
				return err
			}
		}
	}
	return os.Setenv("TMPDIR", dir)
}

func (l *lab) createModel() error {
	if l.options.esx {
		l.model = simulator.ESX()
	} else {
		l.model = simulator.VPX()
		l.model.Host = 0
		l.model.ClusterHost = 1
	}
	if l.options.instanceUUID != "" {
		l.model.ServiceContent.About.InstanceUuid = l.options.instanceUUID
	}
	l.model.Machine = 0
	l.model.Datastore = 2
	l.model.Autostart = false
	return l.model.Create()
}

func writeLine(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// reachable is a listener's address as a client on this machine can use it.
func reachable(a net.Addr) string {
	t := a.(*net.TCPAddr)
	if t.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", t.Port)
	}
	return t.String()
}

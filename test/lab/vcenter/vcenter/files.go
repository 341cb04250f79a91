package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

var sparseMagic = []byte("KDMV")

// within joins a path from a client to a directory without leaving it.
func within(dir, p string) string {
	return filepath.Join(dir, filepath.FromSlash(path.Clean("/"+p)))
}

// flatOf is the file with a disk's raw bytes, beside its descriptor.
func flatOf(vmdk string) string { return strings.TrimSuffix(vmdk, ".vmdk") + "-flat.vmdk" }

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// isSparse tells a sparse extent (such as a streamOptimized disk) from a text descriptor.
func isSparse(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len(sparseMagic))
	_, err = io.ReadFull(f, head)
	return err == nil && bytes.Equal(head, sparseMagic)
}

// copySparse keeps holes, and shares blocks where the file system can. Never a
// hard link: tests overwrite disks.
func copySparse(from, to string) error {
	return execute("cp", "--sparse=always", "--reflink=auto", "--", from, to)
}

func execute(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// descriptor is the text that a host serves as x.vmdk when the bytes lie in x-flat.vmdk.
func descriptor(flatName string, size int64, adapter string) string {
	sectors := size / 512
	// The content id only has to be stable and not the "no parent" value.
	cid := uint32(0x5eed0000)
	for _, c := range []byte(flatName) {
		cid = cid*31 + uint32(c)
	}
	if cid >= 0xfffffffe {
		cid = 0x5eed0001
	}
	return fmt.Sprintf(`# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=%08x
parentCID=ffffffff
createType="vmfs"

# Extent description
RW %d VMFS "%s"

# The Disk Data Base
#DDB

ddb.adapterType = "%s"
ddb.geometry.cylinders = "%d"
ddb.geometry.heads = "255"
ddb.geometry.sectors = "63"
ddb.thinProvisioned = "1"
ddb.virtualHWVersion = "19"
`, cid, sectors, flatName, adapter, sectors/(255*63))
}

// sparseWriter leaves holes for blocks of zeros, so that a mostly empty disk
// stays small on the lab's disk. finish sets the length when it ends in a hole.
type sparseWriter struct {
	f   *os.File
	off int64
}

const holeBlock = 64 << 10

var zeros = make([]byte, holeBlock)

func (w *sparseWriter) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n := min(holeBlock, len(p)-done)
		if !bytes.Equal(p[done:done+n], zeros[:n]) {
			if _, err := w.f.WriteAt(p[done:done+n], w.off); err != nil {
				return done, err
			}
		}
		w.off += int64(n)
		done += n
	}
	return done, nil
}

func (w *sparseWriter) finish() error { return w.f.Truncate(w.off) }

type fileEntry struct {
	Path string `json:"path"`
	Size int64  `json:"size"`
	Dir  bool   `json:"dir,omitempty"`
}

func listFiles(dir string) ([]fileEntry, error) {
	list := []fileEntry{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			if os.IsNotExist(err) {
				return nil // removed while we looked
			}
			return err
		}
		if p == dir {
			return nil
		}
		rel, _ := filepath.Rel(dir, p)
		e := fileEntry{Path: filepath.ToSlash(rel), Dir: d.IsDir()}
		if info, err := d.Info(); err == nil && !e.Dir {
			e.Size = info.Size()
		}
		list = append(list, e)
		return nil
	})
	return list, err
}

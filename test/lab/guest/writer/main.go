// Command writer is the application of the lab guest: a program that relies on
// what was synced being there after a power failure.
//
// While /run/writer.on exists it appends numbered records of 4 KiB to
// /data/records and then to /second/records, each synced before the next. At
// any one point in time the first disk therefore holds as many records as the
// second or one more; a copy that shows anything else was not taken of both
// disks at once. The number that is safe on both is in /run/writer.written.
//
// The file's text is how many records it writes a second at most (empty or 0:
// as many as it can). While /run/writer.paused exists it rests, and
// /run/writer.state says what it really does: "resting" or "writing".
package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	recordBytes = 4096
	idle        = 50 * time.Millisecond

	onFile      = "/run/writer.on"
	pausedFile  = "/run/writer.paused"
	stateFile   = "/run/writer.state"
	writtenFile = "/run/writer.written"
)

func main() {
	first := open("/data/records")
	second := open("/second/records")
	// Without power between two appends, the second has one record less.
	number := min(complete(first), complete(second))
	keep(first, number)
	keep(second, number)
	tell(writtenFile, strconv.FormatInt(number, 10))
	state := ""
	for {
		rate, on := wanted()
		next := "resting"
		if on {
			next = "writing"
		}
		if next != state {
			tell(stateFile, next)
			state = next
			// A pause that began before it was told would be overlooked.
			continue
		}
		if !on {
			time.Sleep(idle)
			continue
		}
		startedAt := time.Now()
		number++
		record := recordOf(number)
		appendTo(first, record)
		appendTo(second, record)
		tell(writtenFile, strconv.FormatInt(number, 10))
		if rate > 0 {
			time.Sleep(time.Until(startedAt.Add(time.Second / time.Duration(rate))))
		}
	}
}

// wanted says whether to write, and how many records a second.
func wanted() (rate int, on bool) {
	if _, err := os.Stat(pausedFile); err == nil {
		return 0, false
	}
	text, err := os.ReadFile(onFile)
	if err != nil {
		return 0, false
	}
	rate, _ = strconv.Atoi(strings.TrimSpace(string(text)))
	return rate, true
}

// recordOf is a line of number, filling and the checksum of both; test/lab/records.ts reads it.
func recordOf(number int64) []byte {
	head := []byte(fmt.Sprintf("%012d ", number))
	fill := bytes.Repeat([]byte(fmt.Sprintf("%x.", number*7919)), recordBytes)
	body := append(head, fill[:recordBytes-len(head)-1-2*sha256.Size-1]...)
	return []byte(fmt.Sprintf("%s %x\n", body, sha256.Sum256(body)))
}

func open(path string) *os.File {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		log.Fatal(err)
	}
	return file
}

// complete counts the whole records of a file.
func complete(file *os.File) int64 {
	info, err := file.Stat()
	if err != nil {
		log.Fatal(err)
	}
	return info.Size() / recordBytes
}

// keep cuts off what is behind so many records.
func keep(file *os.File, number int64) {
	if err := file.Truncate(number * recordBytes); err != nil {
		log.Fatal(err)
	}
}

func appendTo(file *os.File, record []byte) {
	if _, err := file.Write(record); err != nil {
		log.Fatal(err)
	}
	if err := file.Sync(); err != nil {
		log.Fatal(err)
	}
}

// tell replaces a file as a whole, so that no reader sees half of it.
func tell(path, text string) {
	if err := os.WriteFile(path+".new", []byte(text+"\n"), 0o644); err != nil {
		log.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		log.Fatal(err)
	}
}

package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// request is one run of the suite.
type request struct {
	test    string // Empty: all.
	workers int
	drop    string // A mutation; empty: none.
	output  string // Directory.
	// stop ends the run as soon as it is true of a test that has ended.
	stop func(name, action string) bool
}

// errStopped is the end of a run by its own stop function.
var errStopped = errors.New("stopped")

// run runs the suite. exit is how go test ended: nil for success.
func run(r request) (found *results, exit error, err error) {
	if err := os.MkdirAll(r.output, 0o755); err != nil {
		return nil, nil, err
	}
	record, err := os.Create(filepath.Join(r.output, "events.json"))
	if err != nil {
		return nil, nil, err
	}
	defer record.Close()
	command := exec.Command("go", "test", "-count=1", "-timeout=20m", "-json", "-run=^"+suiteTest+"$", ".")
	command.Env = append(os.Environ(),
		"GWPROXY_CONFORMANCE_RUN="+r.test,
		"GWPROXY_CONFORMANCE_WORKERS="+strconv.Itoa(r.workers),
		"GWPROXY_CONFORMANCE_DROP="+r.drop,
		"GWPROXY_CONFORMANCE_OUTPUT="+r.output,
	)
	var complaints bytes.Buffer
	command.Stderr = &complaints
	events, err := command.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	// A group of its own can be stopped as a whole.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: r.stop != nil}
	if err := command.Start(); err != nil {
		return nil, nil, err
	}
	isStopped := false
	found, err = readResults(io.TeeReader(events, record), func(name, action string) {
		if r.stop != nil && !isStopped && r.stop(name, action) {
			isStopped = true
			// What the group has started dies with it.
			_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		}
	})
	exit = command.Wait()
	if isStopped {
		return found, errStopped, nil
	}
	// Told only with a failure: downloads are told there too.
	if exit != nil && complaints.Len() > 0 {
		exit = errors.Join(exit, errors.New(complaints.String()))
	}
	return found, exit, err
}

// Package proxy runs the proxy under test as a user would: one process, a directory of manifests, a
// log.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// Options say where the proxy finds and leaves its files.
type Options struct {
	Executable  string
	Workers     int
	Config      string // The directory of manifests.
	Status      string // The directory of statuses.
	AddressPool string // From which each Gateway gets an address of its own.
	Log         string // The file of its standard output and error.
}

// Proxy is a running process.
type Proxy struct {
	command *exec.Cmd
	log     *os.File
	ended   chan struct{} // Closed at its end.
	result  error         // How it ended; to be read after that.
}

// stopTimeout is longer than the proxy's own deadline for running work.
const stopTimeout = 30 * time.Second

// Start starts the proxy, and returns before it is ready.
func Start(options Options) (*Proxy, error) {
	log, err := os.Create(options.Log)
	if err != nil {
		return nil, err
	}
	command := exec.Command(options.Executable, "run",
		"--config", options.Config,
		"--status-dir", options.Status,
		"--address-pool", options.AddressPool,
		"--workers", strconv.Itoa(options.Workers),
		"--admin", "off",
		"--metrics", "off",
		"--log-format", "json",
	)
	command.Stdout, command.Stderr = log, log
	command.Env = append(os.Environ(), inspect)
	// It dies with the harness, even with one that is killed; an interrupt at the terminal is for the
	// harness alone.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := &Proxy{command: command, log: log, ended: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return p, nil
}

// run holds on to its thread while the process lives: the kernel takes the end of the thread that
// started a process for the end of its parent.
func (p *Proxy) run(started chan<- error) {
	runtime.LockOSThread()
	err := p.command.Start()
	started <- err
	if err == nil {
		p.result = p.command.Wait()
		close(p.ended)
	}
}

// Stop asks the proxy to end, and returns an error unless it ends by itself, with success.
func (p *Proxy) Stop() error {
	defer p.log.Close()
	if p.HasEnded() {
		return fmt.Errorf("the proxy had ended before: %v", p.command.ProcessState)
	}
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	select {
	case <-p.ended:
		return p.result
	case <-ctx.Done():
		return errors.Join(errors.New("the proxy did not stop"), p.command.Process.Kill())
	}
}

// HasEnded tells whether the process is gone.
func (p *Proxy) HasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Checkout returns the root of the source tree that holds the harness.
func Checkout() (string, error) {
	return filepath.Abs(filepath.Join("..", ".."))
}

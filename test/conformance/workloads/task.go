package workloads

import (
	"context"
	"fmt"
	"net/netip"
	"path"
	"strings"
)

// task is a container that has been started.
type task struct {
	ready chan struct{} // Closed once every port answers.
	done  chan struct{} // Closed once nothing of the task is left, whether stopped or ended by itself.
	stop  context.CancelFunc
}

// launch is what a program needs to start.
type launch struct {
	ctx         context.Context // Ends the task.
	address     netip.Addr      // The Pod's.
	environment map[string]string
	directory   string // To run in.
	log         *logRing
}

// start starts the program that stands for a container's image. It must be called by Run's own thread.
func (m *Manager) start(image string, launch launch) (*task, error) {
	name, _, _ := strings.Cut(path.Base(image), ":")
	ctx, cancel := context.WithCancel(launch.ctx)
	launch.ctx = ctx
	started := &task{ready: make(chan struct{}), done: make(chan struct{}), stop: cancel}
	err := fmt.Errorf("no program stands for the image %q", image)
	switch name {
	case "echo-basic":
		err = m.startEcho(started, launch)
	case "coredns":
		err = startDNS(started, launch)
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return started, nil
}

func isClosed(signal <-chan struct{}) bool {
	select {
	case <-signal:
		return true
	default:
		return false
	}
}

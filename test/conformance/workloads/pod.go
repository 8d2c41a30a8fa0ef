package workloads

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"gwproxy.dev/conformance/apiserver"
)

// pod is a Pod that this manager runs. Only Run's goroutine uses it, but for log.
type pod struct {
	object     corev1.Pod // As created; its status is kept apart.
	key        apiserver.Key
	deployment types.UID
	template   string // The hash of the template that it was made from.
	address    netip.Addr
	directory  string
	log        logRing

	task     *task     // Nil before the first start, and while it waits for the next.
	problem  string    // Why there is no task.
	resume   time.Time // There is none before.
	restarts int32
	written  *corev1.PodStatus // The last status that the store was given.
}

func (p *pod) container() *corev1.Container {
	return &p.object.Spec.Containers[0]
}

// advance takes a Pod one step further: it starts what can be started, notes what has ended, and writes
// the status.
func (m *Manager) advance(p *pod) {
	if p.task != nil && isClosed(p.task.done) {
		p.task = nil
		p.restarts++
		p.problem = "the program has ended"
		m.options.Logf("workloads: pod %s/%s ended by itself:\n%s", p.key.Namespace, p.key.Name, p.log.tail())
		m.delay(p)
	}
	if p.task == nil && !time.Now().Before(p.resume) {
		m.startPod(p)
	}
	m.writeStatus(p)
}

// startPod starts the Pod's container, or notes why that is not possible yet.
func (m *Manager) startPod(p *pod) {
	started, err := m.tryStart(p)
	if err != nil {
		m.noteFailure(p, err)
		return
	}
	p.task, p.problem = started, ""
	go func() { // Each step of the task calls for a look at it.
		select {
		case <-started.ready:
			m.wake()
		case <-started.done:
		}
		<-started.done
		m.wake()
	}()
}

func (m *Manager) tryStart(p *pod) (*task, error) {
	if err := os.MkdirAll(p.directory, 0o700); err != nil {
		return nil, err
	}
	mounts, err := m.writeVolumes(p.key.Namespace, &p.object.Spec, p.directory)
	if err != nil {
		return nil, err
	}
	environment, err := p.environment(mounts)
	if err != nil {
		return nil, err
	}
	return m.start(p.container().Image, launch{
		ctx:         context.Background(),
		address:     p.address,
		environment: environment,
		directory:   p.directory,
		log:         &p.log,
	})
}

// noteFailure keeps the reason. What is only missing brings an event when it comes; all else is tried
// again after a while.
func (m *Manager) noteFailure(p *pod, err error) {
	var missing notYet
	if !errors.As(err, &missing) {
		if p.problem != err.Error() {
			m.options.Logf("workloads: pod %s/%s: %v", p.key.Namespace, p.key.Name, err)
		}
		m.delay(p)
	}
	p.problem = err.Error()
}

// delay keeps the Pod down for a while.
func (m *Manager) delay(p *pod) {
	p.resume = time.Now().Add(restartDelay)
	time.AfterFunc(restartDelay, m.wake)
}

// environment resolves the container's variables.
func (p *pod) environment(mounts []mount) (map[string]string, error) {
	environment := map[string]string{}
	for _, variable := range p.container().Env {
		if variable.ValueFrom == nil {
			environment[variable.Name] = inMounts(variable.Value, mounts)
			continue
		}
		value, err := p.field(variable.ValueFrom.FieldRef)
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", variable.Name, err)
		}
		environment[variable.Name] = value
	}
	return environment, nil
}

// field returns a field of the Pod by the path that the downward API gives it.
func (p *pod) field(selector *corev1.ObjectFieldSelector) (string, error) {
	if selector == nil {
		return "", errors.New("only fieldRef is supported")
	}
	switch selector.FieldPath {
	case "metadata.name":
		return p.object.Name, nil
	case "metadata.namespace":
		return p.object.Namespace, nil
	case "status.podIP":
		return p.address.String(), nil
	default:
		return "", fmt.Errorf("unsupported field %q", selector.FieldPath)
	}
}

// stop ends the Pod's task, waits for it, and removes its files.
func (p *pod) stop() {
	if p.task != nil {
		p.task.stop()
		<-p.task.done
	}
	os.RemoveAll(p.directory)
}

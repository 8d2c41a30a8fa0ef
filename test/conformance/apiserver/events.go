package apiserver

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// EventType says what happened to an object.
type EventType string

// The types of events.
const (
	Added    EventType = "Added"
	Modified EventType = "Modified"
	Deleted  EventType = "Deleted"
)

// Event is one change of the store. Object is the state after it, or the last one if deleted.
type Event struct {
	Type   EventType
	Object *unstructured.Unstructured
}

// Subscribe calls listener for every object that exists, as Added, and then for every change, in
// order, from one goroutine that is the subscriber's own: the listener may use the store. The
// returned function ends it; it does not wait for a call that is running.
func (s *Store) Subscribe(listener func(Event)) (cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := &subscriber{listener: listener}
	sub.wake.L = &sub.mu
	for _, key := range sortedKeys(s.objects) {
		sub.push(Event{Type: Added, Object: s.objects[key]})
	}
	s.subscribers[sub] = struct{}{}
	go sub.run()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.subscribers, sub)
		sub.stop()
	}
}

// publish tells all subscribers; the caller holds the store's lock, which orders the events.
func (s *Store) publish(event Event) {
	for sub := range s.subscribers {
		sub.push(event)
	}
}

// subscriber queues events without bound, so that a slow listener never delays a writer.
type subscriber struct {
	listener func(Event)
	mu       sync.Mutex
	wake     sync.Cond
	queue    []Event
	stopped  bool
}

func (sub *subscriber) push(event Event) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	sub.queue = append(sub.queue, Event{event.Type, event.Object.DeepCopy()})
	sub.wake.Signal()
}

func (sub *subscriber) stop() {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	sub.stopped = true
	sub.wake.Signal()
}

func (sub *subscriber) run() {
	for {
		event, ok := sub.next()
		if !ok {
			return
		}
		sub.listener(event)
	}
}

func (sub *subscriber) next() (Event, bool) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	for len(sub.queue) == 0 && !sub.stopped {
		sub.wake.Wait()
	}
	if sub.stopped {
		return Event{}, false
	}
	event := sub.queue[0]
	sub.queue = slices.Delete(sub.queue, 0, 1)
	return event, true
}

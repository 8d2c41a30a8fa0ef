package workloads

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
)

// addressPool gives out the addresses of a prefix one after the other, and none twice: what a dead Pod
// had never answers for another.
type addressPool struct {
	mu     sync.Mutex
	prefix netip.Prefix
	last   netip.Addr
}

func newAddressPool(prefix netip.Prefix) *addressPool {
	return &addressPool{prefix: prefix, last: prefix.Masked().Addr()}
}

func (pool *addressPool) next() (netip.Addr, error) {
	pool.mu.Lock()
	defer pool.mu.Unlock()
	next := pool.last.Next()
	if !pool.prefix.Contains(next) {
		return netip.Addr{}, fmt.Errorf("no address is left in %v", pool.prefix)
	}
	pool.last = next
	return next, nil
}

// The range from which processes get ports to listen on. It lies above the ports of Gateways and below
// those that Linux gives to outgoing connections (32768 on), so none of both can take a port between
// its choice and the moment when the process listens.
const firstPort, endPort = 20000, 32768

// portPool gives out ports that are free on every address, in turn from a random one, so that harnesses
// beside each other do not reach for the same.
type portPool struct {
	mu   sync.Mutex
	next int
}

func newPortPool() *portPool {
	return &portPool{next: firstPort + rand.IntN(endPort-firstPort)}
}

// take returns a port that is free for a network, "tcp" or "udp".
func (pool *portPool) take(network string) (int, error) {
	pool.mu.Lock()
	defer pool.mu.Unlock()
	for range endPort - firstPort {
		port := pool.next
		pool.next++
		if pool.next == endPort {
			pool.next = firstPort
		}
		if isFree(network, port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no %s port is free from %d to %d", network, firstPort, endPort-1)
}

func isFree(network string, port int) bool {
	address := fmt.Sprintf(":%d", port)
	if network == "udp" {
		socket, err := net.ListenPacket(network, address)
		if err != nil {
			return false
		}
		return socket.Close() == nil
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

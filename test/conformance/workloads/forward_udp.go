package workloads

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

// flowIdle ends a flow that has been silent in both directions for so long.
const flowIdle = 5 * time.Second

// maxDatagram is the largest payload that UDP over IPv4 carries.
const maxDatagram = 65507

// udpForwarder passes datagrams between the clients of an address and a target: every client has a
// socket of its own towards the target, by which replies find back.
type udpForwarder struct {
	socket *net.UDPConn
	target netip.AddrPort
	mu     sync.Mutex
	flows  map[netip.AddrPort]*net.UDPConn
	wg     sync.WaitGroup
}

// forwardUDP passes datagrams on until the context ends. The returned function waits until nothing is left.
func forwardUDP(ctx context.Context, at, target netip.AddrPort) (wait func(), err error) {
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	forwarder := &udpForwarder{socket: socket, target: target, flows: map[netip.AddrPort]*net.UDPConn{}}
	stop := context.AfterFunc(ctx, forwarder.close)
	forwarder.wg.Go(func() {
		defer stop()
		defer forwarder.close()
		forwarder.run()
	})
	return forwarder.wg.Wait, nil
}

func (f *udpForwarder) run() {
	datagram := make([]byte, maxDatagram)
	for {
		size, client, err := f.socket.ReadFromUDPAddrPort(datagram)
		if err != nil {
			return
		}
		if flow := f.flowOf(client); flow != nil {
			flow.Write(datagram[:size]) // A refusal is the target's answer: the datagram is lost.
		}
	}
}

// flowOf returns the client's socket, opened if need be, or nil if there is none to be had.
func (f *udpForwarder) flowOf(client netip.AddrPort) *net.UDPConn {
	f.mu.Lock()
	defer f.mu.Unlock()
	flow := f.flows[client]
	if flow == nil {
		opened, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(f.target))
		if err != nil {
			return nil
		}
		flow = opened
		f.flows[client] = flow
		f.wg.Go(func() { f.returnReplies(client, flow) })
	}
	flow.SetReadDeadline(time.Now().Add(flowIdle))
	return flow
}

func (f *udpForwarder) returnReplies(client netip.AddrPort, flow *net.UDPConn) {
	defer f.drop(client, flow)
	reply := make([]byte, maxDatagram)
	for {
		size, err := flow.Read(reply)
		if err != nil {
			return
		}
		flow.SetReadDeadline(time.Now().Add(flowIdle))
		f.socket.WriteToUDPAddrPort(reply[:size], client)
	}
}

func (f *udpForwarder) drop(client netip.AddrPort, flow *net.UDPConn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.flows, client)
	flow.Close()
}

func (f *udpForwarder) close() {
	f.socket.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, flow := range f.flows {
		flow.Close()
	}
}

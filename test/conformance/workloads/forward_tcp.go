package workloads

import (
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
)

// forwardTCP accepts connections at an address and joins each to a new one to target, until the context
// ends; then all of them are reset. What one side does the other sees: bytes, the end of one direction,
// and resets. The returned function waits until nothing is left.
func forwardTCP(ctx context.Context, at, target netip.AddrPort) (wait func(), err error) {
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	var running sync.WaitGroup
	running.Go(func() {
		defer stop()
		defer listener.Close()
		for {
			client, err := listener.AcceptTCP()
			if err != nil {
				return
			}
			running.Go(func() { forwardConnection(ctx, client, target) })
		}
	})
	return running.Wait, nil
}

func forwardConnection(ctx context.Context, client *net.TCPConn, target netip.AddrPort) {
	server, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(target))
	if err != nil {
		reset(client)
		return
	}
	stop := context.AfterFunc(ctx, func() { reset(client, server) })
	defer stop()
	var directions sync.WaitGroup
	directions.Go(func() { copyOneWay(server, client) })
	directions.Go(func() { copyOneWay(client, server) })
	directions.Wait()
	client.Close()
	server.Close()
}

// copyOneWay passes on bytes and then the end; a failure on either side is a reset for both.
func copyOneWay(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		reset(to, from)
		return
	}
	to.CloseWrite()
}

// reset closes connections with RST instead of FIN.
func reset(connections ...*net.TCPConn) {
	for _, connection := range connections {
		connection.SetLinger(0)
		connection.Close()
	}
}

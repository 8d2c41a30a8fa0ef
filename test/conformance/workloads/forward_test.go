package workloads

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// testPool is apart from the addresses of the suite's own runs.
var testPool = newAddressPool(netip.MustParsePrefix("127.21.0.0/16"))

const patience = 20 * time.Second

// joined returns the two ends of a connection that goes through a forwarder.
func joined(t *testing.T) (client, server *net.TCPConn) {
	t.Helper()
	target, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer target.Close()
	at := newForward(t, forwardTCP, target.Addr())
	client, err = net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(at))
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	server, err = target.AcceptTCP()
	require.NoError(t, err)
	t.Cleanup(func() { server.Close() })
	for _, end := range []net.Conn{client, server} {
		require.NoError(t, end.SetDeadline(time.Now().Add(patience)))
	}
	return client, server
}

type opener func(ctx context.Context, at, target netip.AddrPort) (wait func(), err error)

func newForward(t *testing.T, open opener, target net.Addr) netip.AddrPort {
	t.Helper()
	address, err := testPool.next()
	require.NoError(t, err)
	at := netip.AddrPortFrom(address, 3000)
	ctx, cancel := context.WithCancel(context.Background())
	wait, err := open(ctx, at, netip.MustParseAddrPort(target.String()))
	require.NoError(t, err)
	t.Cleanup(func() {
		cancel()
		wait()
	})
	return at
}

func TestTCPForwardsHalfClose(t *testing.T) {
	client, server := joined(t)
	fmt.Fprint(client, "request")
	require.NoError(t, client.CloseWrite())
	request, err := io.ReadAll(server)
	require.NoError(t, err)
	require.Equal(t, "request", string(request))
	fmt.Fprint(server, "response")
	require.NoError(t, server.CloseWrite())
	response, err := io.ReadAll(client)
	require.NoError(t, err)
	require.Equal(t, "response", string(response))
}

func TestTCPForwardsResetBothWays(t *testing.T) {
	for name, choose := range map[string]func(client, server *net.TCPConn) (from, to *net.TCPConn){
		"of the client": func(client, server *net.TCPConn) (from, to *net.TCPConn) { return client, server },
		"of the server": func(client, server *net.TCPConn) (from, to *net.TCPConn) { return server, client },
	} {
		t.Run(name, func(t *testing.T) {
			from, to := choose(joined(t))
			reset(from)
			_, err := io.ReadAll(to)
			require.ErrorIs(t, err, syscall.ECONNRESET)
		})
	}
}

func TestTCPForwarderResetsWithoutTarget(t *testing.T) {
	target, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, target.Close())
	client, err := net.Dial("tcp", newForward(t, forwardTCP, target.Addr()).String())
	if err == nil {
		require.NoError(t, client.SetDeadline(time.Now().Add(patience)))
		_, err = io.ReadAll(client)
		client.Close()
	}
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

func TestTCPForwarderEndsWithItsContext(t *testing.T) {
	target, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer target.Close()
	address, err := testPool.next()
	require.NoError(t, err)
	at := netip.AddrPortFrom(address, 3000)
	ctx, cancel := context.WithCancel(context.Background())
	wait, err := forwardTCP(ctx, at, netip.MustParseAddrPort(target.Addr().String()))
	require.NoError(t, err)
	client, err := net.Dial("tcp", at.String())
	require.NoError(t, err)
	defer client.Close()
	_, err = target.Accept()
	require.NoError(t, err)
	cancel()
	wait()
	require.NoError(t, client.SetDeadline(time.Now().Add(patience)))
	_, err = io.ReadAll(client)
	require.ErrorIs(t, err, syscall.ECONNRESET)
	_, err = net.Dial("tcp", at.String())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func TestUDPRepliesFindTheirClients(t *testing.T) {
	target, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer target.Close()
	go func() {
		datagram := make([]byte, maxDatagram)
		for {
			size, from, err := target.ReadFromUDPAddrPort(datagram)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			target.WriteToUDPAddrPort(append([]byte("echo of "), datagram[:size]...), from)
		}
	}()
	at := newForward(t, forwardUDP, target.LocalAddr())
	clients := map[string]net.Conn{"one": nil, "two": nil}
	for name := range clients {
		client, err := net.Dial("udp", at.String())
		require.NoError(t, err)
		defer client.Close()
		fmt.Fprint(client, name)
		clients[name] = client
	}
	for name, client := range clients {
		require.NoError(t, client.SetDeadline(time.Now().Add(patience)))
		reply := make([]byte, 100)
		size, err := client.Read(reply)
		require.NoError(t, err)
		require.Equal(t, "echo of "+name, string(reply[:size]))
	}
}

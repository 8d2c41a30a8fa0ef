package workloads

import (
	"net"
	"net/netip"
	"sync"

	"github.com/miekg/dns"
)

// whoamiZone is the zone that the suite's Corefile serves with the whoami plugin.
const whoamiZone = "foo.bar.com."

// startDNS answers in place of CoreDNS on port 53 of the Pod. It knows the one zone of the suite's
// Corefile; the other, which is forwarded to servers on the Internet, fails as it would without them.
func startDNS(started *task, launch launch) error {
	at := netip.AddrPortFrom(launch.address, 53)
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return err
	}
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		socket.Close()
		return err
	}
	handler := dns.NewServeMux()
	handler.HandleFunc(whoamiZone, whoami)
	var running sync.WaitGroup
	for _, server := range []*dns.Server{
		{PacketConn: socket, Handler: handler},
		{Listener: listener, Handler: handler},
	} {
		running.Go(func() {
			defer started.stop()
			server.ActivateAndServe()
		})
	}
	close(started.ready)
	go func() {
		defer close(started.done)
		<-launch.ctx.Done()
		socket.Close()
		listener.Close()
		running.Wait()
	}()
	return nil
}

// whoami tells the client its own address and port in the additional section, as CoreDNS's plugin of
// this name does. Names outside the zone are refused by the mux.
func whoami(response dns.ResponseWriter, query *dns.Msg) {
	reply := new(dns.Msg).SetReply(query)
	reply.Authoritative = true
	client, err := netip.ParseAddrPort(response.RemoteAddr().String())
	if err == nil && len(query.Question) == 1 {
		name := query.Question[0].Name
		network := response.RemoteAddr().Network()
		reply.Extra = []dns.RR{
			&dns.A{
				Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET},
				A:   client.Addr().AsSlice(),
			},
			&dns.SRV{
				Hdr:    dns.RR_Header{Name: "_" + network + "." + name, Rrtype: dns.TypeSRV, Class: dns.ClassINET},
				Port:   client.Port(),
				Target: ".",
			},
		}
	}
	response.WriteMsg(reply)
}

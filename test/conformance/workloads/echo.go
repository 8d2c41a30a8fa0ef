package workloads

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// echoPort is a port that the echo server takes from a variable and listens on, on all addresses.
type echoPort struct {
	variable string
	number   uint16   // Where the Pod answers if the variable is not set.
	network  string   // "tcp" or "udp".
	needs    []string // The port is served only if all of these variables are set.
}

// echoModes are the echo server's modes in the order in which it looks at their variables; it serves
// HTTP if none is set. The private key's variable is not spelt the same in all of them.
var echoModes = []struct {
	variable string
	ports    []echoPort
}{
	{"GRPC_ECHO_SERVER", []echoPort{
		{"HTTP_PORT", 3000, "tcp", nil},
		{"HTTPS_PORT", 8443, "tcp", []string{"TLS_SERVER_CERT", "TLS_SERVER_PRIV_KEY"}},
	}},
	{"TCP_ECHO_SERVER", []echoPort{
		{"TCP_PORT", 3000, "tcp", nil},
		{"TLS_PORT", 8443, "tcp", []string{"TLS_SERVER_CERT", "TLS_SERVER_PRIV_KEY"}},
	}},
	{"UDP_ECHO_SERVER", []echoPort{
		{"UDP_PORT", 8080, "udp", nil},
	}},
	{"", []echoPort{
		{"HTTP_PORT", 3000, "tcp", nil},
		{"H2C_PORT", 3001, "tcp", nil},
		{"HTTPS_PORT", 8443, "tcp", []string{"TLS_SERVER_CERT", "TLS_SERVER_PRIVKEY"}},
	}},
}

// forward joins a port of a Pod with the port on which its process listens.
type forward struct {
	network string
	pod     netip.AddrPort
	process netip.AddrPort
}

// startEcho runs the suite's echo server. It listens on every address, so each Pod's process gets ports
// of its own, and the ports that the manifests mean are forwarded to them from the Pod's address.
func (m *Manager) startEcho(started *task, launch launch) error {
	environment, forwards, err := m.echoPorts(launch)
	if err != nil {
		return err
	}
	process := exec.CommandContext(launch.ctx, m.options.EchoServer)
	process.Env = environment
	process.Dir = launch.directory
	process.Stdout = launch.log
	process.Stderr = launch.log
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	process.WaitDelay = time.Second
	process.Cancel = func() error { return syscall.Kill(-process.Process.Pid, syscall.SIGKILL) }
	if err := process.Start(); err != nil {
		return err
	}
	var running sync.WaitGroup
	running.Go(func() {
		defer started.stop()
		process.Wait() // How it ended is in its output.
	})
	running.Go(func() {
		if err := openForwards(launch.ctx, started, forwards); err != nil {
			fmt.Fprintf(launch.log, "forwarding: %v\n", err)
		}
	})
	go func() {
		defer close(started.done)
		running.Wait()
	}()
	return nil
}

// echoPorts chooses the process's ports and returns its environment and what to forward.
func (m *Manager) echoPorts(launch launch) (environment []string, forwards []forward, err error) {
	values := maps.Clone(launch.environment)
	for _, port := range portsOf(values) {
		number := port.number
		if value := values[port.variable]; value != "" {
			parsed, err := strconv.ParseUint(value, 10, 16)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", port.variable, err)
			}
			number = uint16(parsed)
		}
		chosen, err := m.ports.take(port.network)
		if err != nil {
			return nil, nil, err
		}
		values[port.variable] = strconv.Itoa(chosen)
		forwards = append(forwards, forward{
			network: port.network,
			pod:     netip.AddrPortFrom(launch.address, number),
			process: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(chosen)),
		})
	}
	for name, value := range values {
		environment = append(environment, name+"="+value)
	}
	return environment, forwards, nil
}

// portsOf returns the ports that the echo server serves with these variables.
func portsOf(values map[string]string) []echoPort {
	for _, mode := range echoModes {
		if mode.variable == "" || values[mode.variable] != "" {
			return slices.DeleteFunc(slices.Clone(mode.ports), func(port echoPort) bool {
				return slices.ContainsFunc(port.needs, func(name string) bool { return values[name] == "" })
			})
		}
	}
	return nil
}

// openForwards opens the Pod's ports when the process answers on its own, and returns when the context
// has ended and nothing of them is left. A Pod without a process so refuses connections.
func openForwards(ctx context.Context, started *task, forwards []forward) error {
	for _, forward := range forwards {
		if !waitForAnswer(ctx, forward.network, forward.process) {
			return nil
		}
	}
	for _, forward := range forwards {
		open := forwardTCP
		if forward.network == "udp" {
			open = forwardUDP
		}
		wait, err := open(ctx, forward.pod, forward.process)
		if err != nil {
			started.stop() // Those that are open end, and with them the process.
			return err
		}
		defer wait()
	}
	close(started.ready)
	<-ctx.Done()
	return nil
}

// waitForAnswer asks a port until it answers; false says that the context has ended before.
func waitForAnswer(ctx context.Context, network string, at netip.AddrPort) bool {
	for ctx.Err() == nil {
		if answers(network, at) {
			return true
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	return false
}

// answers tells whether a TCP port accepts a connection, or a UDP port sends a reply to a datagram.
func answers(network string, at netip.AddrPort) bool {
	connection, err := net.Dial(network, at.String())
	if err != nil {
		return false
	}
	defer connection.Close()
	if network == "tcp" {
		return true
	}
	connection.SetDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := connection.Write([]byte("probe")); err != nil {
		return false
	}
	_, err = connection.Read(make([]byte, maxDatagram))
	return err == nil
}

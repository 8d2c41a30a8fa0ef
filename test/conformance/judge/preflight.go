package main

import (
	"fmt"
	"net"
	"runtime"
)

// preflight says early what the run needs and the machine does not give: an address for each Gateway
// and each Pod, on which the suite's own ports are free.
func preflight() error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("the conformance run needs Linux, where all of 127.0.0.0/8 is local; this is %s", runtime.GOOS)
	}
	listener, err := net.Listen("tcp", "127.10.255.254:80")
	if err != nil {
		return fmt.Errorf("the conformance run needs ports below 1024 of 127.0.0.0/8, as root or with "+
			"sysctl net.ipv4.ip_unprivileged_port_start=0: %w", err)
	}
	return listener.Close()
}

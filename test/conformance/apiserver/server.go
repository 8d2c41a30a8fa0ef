package apiserver

import (
	"errors"
	"net"
	"net/http"

	"k8s.io/client-go/rest"
)

// Serve serves the handler on a free port of the loopback interface until close is called, and
// returns a configuration for clients: JSON for all kinds, without a limit of requests per second.
func Serve(handler http.Handler) (config *rest.Config, close func() error, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	server := &http.Server{Handler: handler}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	config = &rest.Config{
		Host:          "http://" + listener.Addr().String(),
		ContentConfig: rest.ContentConfig{ContentType: "application/json"},
		QPS:           -1,
	}
	return config, func() error {
		err := server.Close()
		if served := <-done; !errors.Is(served, http.ErrServerClosed) {
			return errors.Join(err, served)
		}
		return err
	}, nil
}

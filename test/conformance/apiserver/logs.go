package apiserver

import "time"

// LogSource gives the lines that a container wrote at or after a time; the zero time means all.
type LogSource interface {
	// Logs returns an error for which apierrors.IsNotFound holds if the pod or container is unknown.
	Logs(namespace, pod, container string, since time.Time) ([]byte, error)
}

package proxy

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Usage is what the proxy and its workers hold.
type Usage struct {
	Descriptors int
	Resident    int // MiB.
}

func (u Usage) String() string {
	return fmt.Sprintf("%d descriptors, %d MiB", u.Descriptors, u.Resident)
}

// Usage looks at the processes as they are now.
func (p *Proxy) Usage() (Usage, error) {
	return usageOf(p.command.Process.Pid)
}

func usageOf(pid int) (Usage, error) {
	pids, err := family(pid)
	if err != nil {
		return Usage{}, err
	}
	var sum Usage
	for _, pid := range pids {
		directory := filepath.Join("/proc", strconv.Itoa(pid))
		descriptors, err := os.ReadDir(filepath.Join(directory, "fd"))
		if err != nil {
			return Usage{}, err
		}
		pages, err := field(filepath.Join(directory, "statm"), 1)
		if err != nil {
			return Usage{}, err
		}
		sum.Descriptors += len(descriptors)
		sum.Resident += pages * os.Getpagesize() >> 20
	}
	return sum, nil
}

// family returns a process and its children.
func family(parent int) ([]int, error) {
	found := []int{parent}
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	if err != nil {
		return nil, err
	}
	for _, path := range tasks {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // A thread that has ended meanwhile.
		}
		for child := range strings.FieldsSeq(string(text)) {
			pid, err := strconv.Atoi(child)
			if err != nil {
				return nil, err
			}
			found = append(found, pid)
		}
	}
	return found, nil
}

// field reads a number of a file of blank-separated ones.
func field(path string, index int) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if index >= len(fields) {
		return 0, fmt.Errorf("%s has no field %d", path, index)
	}
	return strconv.Atoi(fields[index])
}

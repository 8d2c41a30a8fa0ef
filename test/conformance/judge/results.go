package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// suiteTest is the Go test below which the suite's tests run.
const suiteTest = "TestGatewayAPI"

// warmUp is the run before the one that is judged: what fails in it fails, what passes does not count.
const warmUp = "warm-up"

// event is a line of go test -json.
type event struct {
	Action string
	Test   string
	Output string
}

// results are how the tests of one run ended.
type results struct {
	// action is pass, fail or skip, by name below suiteTest ("" is suiteTest itself).
	action map[string]string
	// output of each test, its subtests' apart.
	output map[string]*strings.Builder
	// order in which the tests ended.
	order []string
}

// readResults reads the output of go test -json, and calls ended for each test as it ends.
func readResults(reader io.Reader, ended func(name, action string)) (*results, error) {
	found := &results{action: map[string]string{}, output: map[string]*strings.Builder{}}
	lines := bufio.NewScanner(reader)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("no line of go test -json: %q", lines.Text())
		}
		found.add(e, ended)
	}
	return found, lines.Err()
}

func (r *results) add(e event, ended func(name, action string)) {
	name, isOurs := testName(e.Test)
	switch {
	case e.Action == "output" || e.Action == "build-output":
		if r.output[name] == nil {
			r.output[name] = &strings.Builder{}
		}
		r.output[name].WriteString(e.Output)
	case isOurs && (e.Action == "pass" || e.Action == "fail" || e.Action == "skip"):
		r.action[name] = e.Action
		r.order = append(r.order, name)
		ended(name, e.Action)
	}
}

// testName cuts the suite's own name off. What belongs to no test, such as a failure to build, is
// counted with the suite.
func testName(full string) (name string, isOurs bool) {
	if full == suiteTest {
		return "", true
	}
	return strings.CutPrefix(full, suiteTest+"/")
}

// failures returns the failed tests that have no failed subtest to blame, in the order of their ends.
func (r *results) failures() []string {
	var found []string
	for _, name := range r.order {
		if r.action[name] == "fail" && !r.hasFailedChild(name) {
			found = append(found, name)
		}
	}
	return found
}

func (r *results) hasFailedChild(name string) bool {
	prefix := name + "/"
	if name == "" {
		prefix = ""
	}
	for other, action := range r.action {
		if action == "fail" && other != name && strings.HasPrefix(other, prefix) {
			return true
		}
	}
	return false
}

// passed returns the tests of the suite that passed, without their subtests.
func (r *results) passed() []string {
	var found []string
	for _, name := range r.order {
		if name != "" && name != warmUp && !strings.Contains(name, "/") && r.action[name] == "pass" {
			found = append(found, name)
		}
	}
	return found
}

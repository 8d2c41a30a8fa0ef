package main

import (
	"fmt"
	"slices"

	"gwproxy.dev/conformance/expected"
)

// verdict is what a run is worth. It does not look at the suite's report, which in this version counts
// tests that run in parallel as passed before they have run.
type verdict struct {
	failures []string // Names of failed tests.
	missing  []string // Tests that had to pass and did not, failed ones apart.
	surplus  []string // Tests that passed without being on a list.
	exit     error    // How go test ended.
}

// judge compares a run with the list of tests that have to pass.
func judge(wanted []string, found *results, exit error) verdict {
	v := verdict{failures: found.failures(), exit: exit}
	for _, name := range wanted {
		switch action := found.action[name]; action {
		case "pass", "fail":
		case "":
			v.missing = append(v.missing, name+": did not run")
		default:
			v.missing = append(v.missing, fmt.Sprintf("%s: %s", name, action))
		}
	}
	for _, name := range found.passed() {
		if !slices.Contains(wanted, name) {
			v.surplus = append(v.surplus, name+": passed, but is on no list in expected/")
		}
	}
	return v
}

func (v verdict) isGreen() bool {
	return v.exit == nil && len(v.failures)+len(v.missing)+len(v.surplus) == 0
}

// profileLine says how much of a profile passed, of all that the suite has in it.
func profileLine(list, offered expected.Profile, found *results, notSupported []string) string {
	passed := map[expected.Level]int{}
	for _, test := range list.Tests {
		if found.action[test.Name] == "pass" {
			passed[test.Level]++
		}
	}
	line := list.Name
	for _, level := range []expected.Level{expected.Core, expected.Extended} {
		line += fmt.Sprintf(" %s %d/%d", level, passed[level], offered.Count(level))
	}
	if len(notSupported) > 0 {
		line += ", not supported:"
		for i, feature := range notSupported {
			if i > 0 {
				line += ","
			}
			line += " " + feature
		}
	}
	return line
}

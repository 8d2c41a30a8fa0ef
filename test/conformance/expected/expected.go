// Package expected holds, by name, the tests of the suite that gwproxy must pass: a file per profile
// and one for tests that belong to none. Taking a name out of a list is a change to be reviewed; the
// package's tests hold the lists against the suite.
package expected

import (
	"embed"
	"fmt"
	"slices"
	"strings"
)

// Level is the level of support to which a test belongs in a profile.
type Level string

// The levels. A test is extended as soon as one of its features is.
const (
	Core     Level = "core"
	Extended Level = "extended"
)

// Test is a test that must pass.
type Test struct {
	Name  string
	Level Level // In the list's profile; Extended if there is none.
}

// Profile is a list of tests.
type Profile struct {
	Name  string // Empty: tests that no profile counts.
	Tests []Test
}

// Names are the profiles of a gateway, in the order of the summary.
var Names = []string{"GATEWAY-HTTP", "GATEWAY-GRPC", "GATEWAY-TLS", "GATEWAY-TCP", "GATEWAY-UDP"}

//go:embed *.txt
var files embed.FS

// Profiles returns the lists of the profiles and, last, the list of the other tests.
func Profiles() ([]Profile, error) {
	var profiles []Profile
	for _, name := range append(slices.Clone(Names), "") {
		tests, err := read(name)
		if err != nil {
			return nil, err
		}
		profiles = append(profiles, Profile{name, tests})
	}
	return profiles, nil
}

// AllNames returns the names of all tests that must pass, each once, sorted.
func AllNames(profiles []Profile) []string {
	var names []string
	for _, profile := range profiles {
		for _, test := range profile.Tests {
			names = append(names, test.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Count returns the number of tests of a level.
func (p Profile) Count(level Level) int {
	count := 0
	for _, test := range p.Tests {
		if test.Level == level {
			count++
		}
	}
	return count
}

func read(profile string) ([]Test, error) {
	name := profile + ".txt"
	if profile == "" {
		name = "other.txt"
	}
	text, err := files.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return parse(name, string(text))
}

// parse reads lines of a level and a name; # begins a comment.
func parse(file, text string) ([]Test, error) {
	var tests []Test
	for number, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
		case len(fields) == 2 && (fields[0] == string(Core) || fields[0] == string(Extended)):
			tests = append(tests, Test{fields[1], Level(fields[0])})
		default:
			return nil, fmt.Errorf("%s:%d: no level and name: %q", file, number+1, line)
		}
	}
	return tests, nil
}

package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	confv1 "sigs.k8s.io/gateway-api/conformance/apis/v1"

	"gwproxy.dev/conformance/bridge"
	"gwproxy.dev/conformance/expected"
)

// events writes go test -json of tests below the suite, as "action name" each.
func events(t *testing.T, lines ...string) *results {
	t.Helper()
	var text strings.Builder
	for _, line := range lines {
		action, name, _ := strings.Cut(line, " ")
		text.WriteString(`{"Action":"` + action + `","Test":"` + strings.TrimSuffix(suiteTest+"/"+name, "/") + `"}` + "\n")
	}
	found, err := readResults(strings.NewReader(text.String()), func(string, string) {})
	require.NoError(t, err)
	return found
}

func TestGreenNeedsEveryNameToPass(t *testing.T) {
	wanted := []string{"A", "B"}
	cases := []struct {
		name    string
		lines   []string
		exit    error
		isGreen bool
	}{
		{"all passed", []string{"pass A", "pass B", "pass "}, nil, true},
		{"a test of a feature that is not claimed is skipped", []string{"pass A", "pass B", "skip C", "pass "}, nil, true},
		{"a test fails", []string{"pass A", "fail B", "fail "}, errors.New("exit status 1"), false},
		{"a test is skipped", []string{"pass A", "skip B", "pass "}, nil, false},
		{"a test is gone", []string{"pass A", "pass "}, nil, false},
		{"a test is new", []string{"pass A", "pass B", "pass C", "pass "}, nil, false},
		{"the harness fails after the suite", []string{"pass A", "pass B", "fail "}, errors.New("exit status 1"), false},
		{"only the exit code tells", []string{"pass A", "pass B", "pass "}, errors.New("exit status 2"), false},
		{"nothing ran", nil, nil, false},
	}
	for _, c := range cases {
		assert.Equal(t, c.isGreen, judge(wanted, events(t, c.lines...), c.exit).isGreen(), c.name)
	}
}

func TestFailuresAreTheInnermost(t *testing.T) {
	found := events(t, "fail A/one", "pass A/two", "fail A", "fail B", "pass AB", "fail ")
	assert.Equal(t, []string{"A/one", "B"}, found.failures())
	assert.Equal(t, []string{"AB"}, found.passed())
}

func TestTheWarmUpMayOnlyFail(t *testing.T) {
	before := []string{"pass warm-up/A", "pass warm-up/B"}
	assert.True(t, judge([]string{"A"}, events(t, append(before, "pass warm-up", "pass A", "pass ")...), nil).isGreen())
	assert.False(t, judge([]string{"A"}, events(t, append(before, "pass warm-up", "pass ")...), nil).isGreen())
	failed := judge([]string{"A"}, events(t, "fail warm-up/B", "fail warm-up", "pass A", "fail "), errors.New("exit status 1"))
	assert.Equal(t, []string{"warm-up/B"}, failed.failures)
}

func TestReadsOutputAndRefusesOtherText(t *testing.T) {
	text := `{"Action":"output","Test":"TestGatewayAPI/A","Output":"one\n"}
{"Action":"output","Test":"TestGatewayAPI/A","Output":"two\n"}
{"Action":"output","Output":"no test's\n"}
`
	found, err := readResults(strings.NewReader(text), nil)
	require.NoError(t, err)
	assert.Equal(t, "one\ntwo\n", found.output["A"].String())
	assert.Equal(t, "no test's\n", found.output[""].String())

	_, err = readResults(strings.NewReader("panic: x\n"), nil)
	assert.Error(t, err)
}

func TestProfileLine(t *testing.T) {
	offered := expected.Profile{Name: "GATEWAY-X", Tests: []expected.Test{
		{Name: "A", Level: expected.Core}, {Name: "B", Level: expected.Extended}, {Name: "C", Level: expected.Extended},
	}}
	list := expected.Profile{Name: "GATEWAY-X", Tests: offered.Tests[:2]}
	found := events(t, "pass A", "pass B", "skip C")
	assert.Equal(t, "GATEWAY-X core 1/1 extended 1/2, not supported: F, G",
		profileLine(list, offered, found, []string{"F", "G"}))
	assert.Equal(t, "GATEWAY-X core 1/1 extended 0/2", profileLine(list, offered, events(t, "pass A", "fail B"), nil))
}

func TestTable(t *testing.T) {
	report := confv1.ConformanceReport{GatewayAPIVersion: "v9", ProfileReports: []confv1.ProfileReport{
		{Name: "GATEWAY-TLS", Extended: &confv1.ExtendedStatus{
			SupportedFeatures:   []string{"TLSRouteModeMixed", "ListenerSet", "TCPRoute", "GatewayPort8080"},
			UnsupportedFeatures: []string{"GatewayX"},
		}},
		{Name: "GATEWAY-HTTP", Extended: &confv1.ExtendedStatus{SupportedFeatures: []string{"GatewayPort8080"}}},
	}}
	lists, err := expected.Profiles()
	require.NoError(t, err)
	text := table(report, lists, "r.yaml")
	assert.Contains(t, text, "| [Gateway API v9](r.yaml), tests passed |")
	assert.NotContains(t, text, "| TCPRoute |")
	assert.Contains(t, text, "| GATEWAY-TLS | 20/20 | 14/15 | GatewayX |\n")
	assert.Contains(t, text, "| Gateway | Port8080 |\n| ListenerSet | the kind itself |\n| TLSRoute | ModeMixed |\n")

	page, err := replaceTable("a\n"+tableBegin+"old\n"+tableEnd+"b\n", "new\n")
	require.NoError(t, err)
	assert.Equal(t, "a\n"+tableBegin+"new\n"+tableEnd+"b\n", page)
	_, err = replaceTable("a page without the lines", "new\n")
	assert.Error(t, err)
}

// Every feature that a test on the lists needs is broken by one mutation, whose test needs it.
func TestMutationsBreakEveryFeature(t *testing.T) {
	lists, err := expected.Profiles()
	require.NoError(t, err)
	needed := slices.Clone(untested)
	for _, name := range expected.AllNames(lists) {
		for _, feature := range expected.FeaturesOf(name) {
			needed = append(needed, string(feature))
		}
	}
	slices.Sort(needed)
	broken := slices.Clone(untested)
	for _, m := range mutations {
		broken = append(broken, m.feature)
		var features []string
		for _, feature := range expected.FeaturesOf(m.test) {
			features = append(features, string(feature))
		}
		assert.Contains(t, features, m.feature, m.test)
		_, err := bridge.ParseDrops(m.drop)
		assert.NoError(t, err, m.feature)
	}
	slices.Sort(broken)
	assert.Equal(t, slices.Compact(needed), broken)
}

func TestArguments(t *testing.T) {
	chosen, err := parseArguments([]string{"--run", "A", "--workers", "2"})
	require.NoError(t, err)
	assert.Equal(t, options{run: "A", workers: 2}, chosen)
	chosen, err = parseArguments([]string{"--mutate", "HTTPRouteCORS"})
	require.NoError(t, err)
	assert.Equal(t, options{mutate: true, features: []string{"HTTPRouteCORS"}}, chosen)
	for _, wrong := range [][]string{{"--none"}, {"A"}, {"--workers", "x"}, {"--publish", "--run", "A"}} {
		_, err := parseArguments(wrong)
		assert.ErrorContains(t, err, "Usage", "%v", wrong)
	}
}

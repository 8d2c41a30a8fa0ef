package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	confv1 "sigs.k8s.io/gateway-api/conformance/apis/v1"
	"sigs.k8s.io/yaml"

	"gwproxy.dev/conformance/expected"
)

func readReport(path string) (confv1.ConformanceReport, error) {
	var report confv1.ConformanceReport
	text, err := os.ReadFile(path)
	if err != nil {
		return report, fmt.Errorf("the suite wrote no report: %w", err)
	}
	return report, yaml.Unmarshal(text, &report)
}

// extendedOf returns what the report says of a profile's extended features, which it may say nothing of.
func extendedOf(report confv1.ConformanceReport, profile string) confv1.ExtendedStatus {
	for _, p := range report.ProfileReports {
		if p.Name == profile && p.Extended != nil {
			return *p.Extended
		}
	}
	return confv1.ExtendedStatus{}
}

// publish copies the report of a green run, as the suite wrote it, to where the project keeps it, and
// renews the table in the project's README.
func publish(output, readme string, lists []expected.Profile) error {
	path := filepath.Join(output, "report.yaml")
	report, err := readReport(path)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	// The name that upstream asks for: channel, version, mode.
	name := fmt.Sprintf("%s-%s-%s-report.yaml", report.GatewayAPIChannel, report.Version, report.Mode)
	target := filepath.Join("reports", name)
	if err := os.MkdirAll("reports", 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(target, text, 0o644); err != nil {
		return err
	}
	page, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	renewed, err := replaceTable(string(page), table(report, lists, "test/conformance/"+target))
	if err != nil {
		return fmt.Errorf("%s: %w", readme, err)
	}
	fmt.Println("published " + target)
	return os.WriteFile(readme, []byte(renewed), 0o644)
}

const (
	tableBegin = "<!-- conformance: written by npm run conformance -- --publish -->\n"
	tableEnd   = "<!-- conformance: end -->\n"
)

func replaceTable(page, table string) (string, error) {
	before, rest, hasBegin := strings.Cut(page, tableBegin)
	_, after, hasEnd := strings.Cut(rest, tableEnd)
	if !hasBegin || !hasEnd {
		return "", fmt.Errorf("it has no lines %q and %q", tableBegin, tableEnd)
	}
	return before + tableBegin + table + tableEnd + after, nil
}

// table says in Markdown what a green run has shown.
func table(report confv1.ConformanceReport, lists []expected.Profile, link string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| [Gateway API %s](%s), tests passed | core | extended | not supported |\n|---|---|---|---|\n",
		report.GatewayAPIVersion, link)
	var features []string
	for i, offered := range expected.SuiteProfiles() {
		if offered.Name == "" {
			continue
		}
		extended := extendedOf(report, offered.Name)
		features = append(features, extended.SupportedFeatures...)
		fmt.Fprintf(&b, "| %s | %d/%d | %d/%d | %s |\n", offered.Name,
			lists[i].Count(expected.Core), offered.Count(expected.Core),
			lists[i].Count(expected.Extended), offered.Count(expected.Extended),
			strings.Join(extended.UnsupportedFeatures, ", "))
	}
	b.WriteString("\n| extended features of | claimed |\n|---|---|\n")
	// The suite counts some kinds as extended features of profiles that they are the core of.
	features = slices.DeleteFunc(features, expected.IsCore)
	slices.Sort(features)
	names := map[string][]string{}
	for _, feature := range slices.Compact(features) {
		kind, name := splitFeature(feature)
		names[kind] = append(names[kind], name)
	}
	for _, kind := range featureKinds {
		if len(names[kind]) > 0 {
			fmt.Fprintf(&b, "| %s | %s |\n", kind, strings.Join(names[kind], ", "))
		}
	}
	return b.String()
}

var featureKinds = []string{
	"Gateway", "ListenerSet", "HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute", "BackendTLSPolicy",
}

// splitFeature tells the kind apart with which a feature's name begins; the bare kind is a feature too.
func splitFeature(feature string) (kind, name string) {
	for _, kind := range featureKinds {
		if rest, ok := strings.CutPrefix(feature, kind); ok {
			if rest == "" {
				rest = "the kind itself"
			}
			return kind, rest
		}
	}
	return "", feature
}

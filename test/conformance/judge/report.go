package main

import (
	"fmt"
	"os"
	"path/filepath"

	confv1 "sigs.k8s.io/gateway-api/conformance/apis/v1"
	"sigs.k8s.io/yaml"
)

func readReport(path string) (confv1.ConformanceReport, error) {
	var report confv1.ConformanceReport
	text, err := os.ReadFile(path)
	if err != nil {
		return report, fmt.Errorf("the suite wrote no report: %w", err)
	}
	return report, yaml.Unmarshal(text, &report)
}

// notSupported returns the features of a profile that gwproxy does not claim.
func notSupported(report confv1.ConformanceReport, profile string) []string {
	for _, p := range report.ProfileReports {
		if p.Name == profile && p.Extended != nil {
			return p.Extended.UnsupportedFeatures
		}
	}
	return nil
}

// publish copies the report of a green run, as the suite wrote it, to where the project keeps it.
func publish(output string) error {
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
	if err := os.WriteFile(target, text, 0o644); err != nil {
		return err
	}
	fmt.Println("published " + target)
	return nil
}

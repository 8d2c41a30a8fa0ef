package proxy

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// logLine is what matters of a line of the proxy's log.
type logLine struct {
	Level  string `json:"level"`
	Log    string `json:"log"`    // Set in access lines: connection or exchange.
	Reason string `json:"reason"` // How a connection or exchange ended.
	Code   string `json:"code"`   // What is wrong with a manifest.
	Object string `json:"object"` // Of which object.
	Bind   string `json:"bind"`   // What could not be listened on.
	Errno  string `json:"errno"`
}

// findings are what a manifest of the suite may be told: the suite breaks references, grants,
// certificates, addresses and the like on purpose, and writes its objects one after another. It breaks
// no schema, so a refused object is a defect, and so is every other error.
var findings = []string{
	"address", "attachment", "certificate", "conflict", "grant-missing", "nothing-to-serve", "reference",
	"unsupported",
}

// expected says whether the line tells of what a test is about.
func (l logLine) expected() bool {
	switch {
	case l.Log != "":
		return l.Reason != "internal-error"
	case l.Level == "info", l.Level == "debug":
		return true
	case l.Object != "":
		return slices.Contains(findings, l.Code)
	default:
		// An address that nobody has is one of the things that the suite asks for.
		return l.Bind != "" && l.Errno == "EADDRNOTAVAIL"
	}
}

// UnexpectedLines returns the lines of a log that no test of the suite accounts for. What is no JSON
// is among them: the runtime's last words.
func UnexpectedLines(log io.Reader) ([]string, error) {
	var found []string
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if isOfInspector(lines.Text()) {
			continue
		}
		var line logLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil || !line.expected() {
			found = append(found, lines.Text())
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the proxy's log: %w", err)
	}
	return found, nil
}

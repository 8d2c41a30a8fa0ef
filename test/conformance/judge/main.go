// The command judge runs the conformance suite and says whether gwproxy passes: by the names of the
// tests that have to pass (expected/) and by the exit code of go test, never by the suite's report.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gwproxy.dev/conformance/expected"
)

const usage = `Usage: npm run conformance -- [options]

Runs the conformance suite of Gateway API against this checkout of gwproxy. Linux only: it takes
addresses of 127.0.0.0/8, and ports below 1024.

Options:
  --run NAME       one test of the suite
  --workers N      worker processes of gwproxy (default 0: it serves from its main process)
  --publish        put the report of a green run into reports/, and its table into README.md
  --mutate [NAME…] break each claimed feature, or those of these names: the suite must see it
`

type options struct {
	run      string
	workers  int
	publish  bool
	mutate   bool
	features []string
}

func main() {
	chosen, err := parseArguments(os.Args[1:])
	if err == nil {
		err = preflight()
	}
	if err == nil && chosen.mutate {
		err = mutate(chosen.features)
	} else if err == nil {
		err = conform(chosen)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(usage)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func parseArguments(arguments []string) (options, error) {
	var chosen options
	flags := flag.NewFlagSet("conformance", flag.ContinueOnError)
	flags.SetOutput(nowhere{})
	flags.StringVar(&chosen.run, "run", "", "")
	flags.IntVar(&chosen.workers, "workers", 0, "")
	flags.BoolVar(&chosen.publish, "publish", false, "")
	flags.BoolVar(&chosen.mutate, "mutate", false, "")
	if err := flags.Parse(arguments); err != nil {
		return options{}, explain(err)
	}
	rest := flags.Args()
	if chosen.mutate {
		chosen.features, rest = rest, nil
	}
	if len(rest) > 0 {
		return options{}, explain(fmt.Errorf("unexpected argument %q", rest[0]))
	}
	if chosen.publish && chosen.run != "" {
		return options{}, explain(errors.New("--publish is for runs of all tests"))
	}
	return chosen, nil
}

func explain(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	return fmt.Errorf("%w\n\n%s", err, usage)
}

type nowhere struct{}

func (nowhere) Write(text []byte) (int, error) { return len(text), nil }

// conform is the ordinary run. Its error says that gwproxy does not conform.
func conform(chosen options) error {
	lists, err := expected.Profiles()
	if err != nil {
		return err
	}
	wanted := expected.AllNames(lists)
	if chosen.run != "" {
		wanted = []string{chosen.run}
	}
	output, err := filepath.Abs("output")
	if err != nil {
		return err
	}
	began := time.Now()
	found, exit, err := run(request{test: chosen.run, workers: chosen.workers, output: output})
	if err != nil {
		return err
	}
	verdict := judge(wanted, found, exit)
	if chosen.run == "" {
		if err := printProfiles(lists, found, output); err != nil {
			verdict.exit = errors.Join(verdict.exit, err)
		}
	}
	printFailures(verdict, found)
	took := time.Since(began).Round(time.Second)
	if !verdict.isGreen() {
		return fmt.Errorf("gwproxy does not conform (%v, --workers %d); all output is in %s", took, chosen.workers, output)
	}
	fmt.Printf("gwproxy conforms (%d tests, %v, --workers %d)\n", len(wanted), took, chosen.workers)
	if chosen.publish {
		return publish(output, filepath.Join("..", "..", "README.md"), lists)
	}
	return nil
}

func printProfiles(lists []expected.Profile, found *results, output string) error {
	report, err := readReport(filepath.Join(output, "report.yaml"))
	if err != nil {
		return err
	}
	for i, offered := range expected.SuiteProfiles() {
		if offered.Name != "" {
			extended := extendedOf(report, offered.Name)
			fmt.Println(profileLine(lists[i], offered, found, extended.UnsupportedFeatures))
		}
	}
	return nil
}

// tail is how much of a failed test's output is worth reading at first.
const tail = 40

func printFailures(v verdict, found *results) {
	for _, name := range v.failures {
		title := name
		if name == "" {
			title = "the harness"
		}
		fmt.Printf("\nFAIL %s\n", title)
		printTail(found.output[name])
	}
	for _, text := range append(v.missing, v.surplus...) {
		fmt.Println("FAIL " + text)
	}
	if v.exit != nil && len(v.failures) == 0 {
		fmt.Printf("FAIL go test: %v\n", v.exit)
		printTail(found.output[""])
	}
}

func printTail(output *strings.Builder) {
	if output == nil {
		return
	}
	lines := strings.Split(strings.TrimRight(output.String(), "\n"), "\n")
	for _, line := range lines[max(0, len(lines)-tail):] {
		fmt.Println("    " + strings.TrimSpace(line))
	}
}

// Proof runs the tests that attack the promises and writes what they print to
// docs/proof.md, each figure with its command and commit; the seed is in what the
// test prints. It is run by `make proof`. With -only it runs some of them anew and
// leaves the others on the page as they were. With -page performance it writes
// docs/performance.md in the same way, for `make performance`.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// A figure is one section of the page.
type figure struct {
	name, title, about string
	dir                string
	env                []string // with the value that the page is for; the environment may say another
	command            []string
	lines              string // which of the printed lines are the figure
	table              string // a file that the command writes instead
}

var figures = []figure{
	{"simulation", "The whole program in virtual time", "Desk, watcher, postman and pages with the real database, between people who write valid, double, forged and " +
		"poisoned mail, a colleague, owners, two reviewers and users who enroll again; network, calls, process and time fail. A course begins in one of 16 situations " +
		"to which the program itself came and has 2 to 60 steps. After each, plain SQL asks for what holds at any moment: cases, votes, resets, generations, the audit's chain. " +
		"At its end, once all is quiet, what everybody remembers is compared with what there is: mails, letters and copies, the mailbox, the verdicts, secrets in logs and letters; " +
		"in one course of ten also the whole database file, by its integrity and for secrets.",
		".", []string{"RESETDESK_SEEDS=20000"}, []string{"go", "test", "-count=1", "-timeout", "24h", "-run", "TestSimulation", "-v", "./cmd/resetdesk/simulation"}, `seeds \d+ to|I\d+:`, ""},
	{"crash points", "Killed at every named point", "A point before and after every commit, write outside a transaction, final dot and answer of the pages and the API to what is no GET, found in the source; " +
		"the process is killed there, started again, and the story must end as it should. The scenarios are the story of a reset in its twelve courses, a database " +
		"that is not there yet and trouble with the mail server, which are ended at each point; and what else people and operators do at the desk, each ended at what the others do not come to. " +
		"No kind of transaction may be without a scenario; those that are beyond them are named, with the reason.",
		".", []string{"RESETDESK_CRASHES=0", "RESETDESK_HITS=3"}, []string{"go", "test", "-count=1", "-timeout", "24h", "-parallel", "8", "-run", "TestCrashPoints|TestEveryWriteHasAPoint", "-v", "./cmd/resetdesk/simulation"}, `points in|places, a point|kinds of transactions|not reached|never struck`, ""},
	{"kills", "The real binary, killed at random", "Dovecot, an SMTP server and resetdesk: SIGKILL of the program between 1 ms and 3 s after each start; in one life of three a server beside it " +
		"is killed and started again, or one of the three is stopped for a while (SIGSTOP). Every 250 kills a fresh world is filled and held against the promises, by plain SQL and files: no reset without approval and answer, no acknowledged approval lost, none doubled, " +
		"every letter at the right address; second copies only of letters whose fate nobody could know.",
		".", []string{"RESETDESK_KILLS=10000"}, []string{"go", "test", "-count=1", "-timeout", "24h", "-parallel", "4", "-run", "TestKill$", "-v", "./cmd/resetdesk"}, `^ +kill_test.*(seed \d+|kills \d+)`, ""},
	{"soak", "An hour of mail", "Dovecot, an SMTP server and resetdesk at 50 mails a second, two in a hundred of them requests, valid, repeated and forged; a person clears the mailbox " +
		"behind it, a reviewer reads a page or two each second, another approves, owners answer. SIGKILL each minute in the first and the last third; in the second nothing is " +
		"disturbed, so that a leak has time to show. At the end the same checker as above reads what became of every mail.\n\n" +
		"Flat means: undisturbed at most 256 KB a minute, which are 87 bytes a mail, less than any row or header that is kept by mistake; from start to start at most 200 KB. " +
		"What may climb so far ends by itself, as the sixths show: the page caches of the readers, which fill by 8 MB in all as the database outgrows them, and the garbage collector's swing of some MB. " +
		"Descriptors: at most 0.25 a minute.\n\n" +
		"![Memory and file descriptors over the hour](soak.svg)",
		".", []string{"RESETDESK_SOAK=1h", "RESETDESK_SOAK_RATE=50", "RESETDESK_SOAK_SVG=../../docs/soak.svg"},
		[]string{"go", "test", "-count=1", "-timeout", "3h", "-run", "TestSoak$", "-v", "./cmd/resetdesk"}, `seed \d+|kills \d+|soak, |climb`, ""},
	{"power cuts", "Power cuts", "A file system that forgets what was not synced: none of it survives, any writes, or any 512-byte sectors; the n-th fsync fails; the disk fills up. " +
		"The controls must be found out: a disk that lies about fsync, and commits that are not synced.",
		"cmd/resetdesk/powercut", []string{"RESETDESK_CUTS=5000"}, []string{"go", "test", "-count=1", "-timeout", "24h", "-run", "TestPowerCut|TestSyncFails|TestDiskFills|TestControls", "-v", "."}, `^=== RUN +Test[^/]*(/(the_desk|sync)[^/]*)?$|seed \d+|power cuts:`, ""},
	{"every byte", "Conversations struck at every byte", "IMAP and SMTP, both directions: cut, stalled, a byte garbled, a byte altered to its neighbour so that numbers stay numbers; and the mail or letter that comes next.",
		".", []string{"RESETDESK_EVERY_BYTE=1"}, []string{"go", "test", "-count=1", "-timeout", "2h", "-run", "EveryByte", "-v", "./mailbox"}, `bytes from the server`, ""},
	{"web", "The web under attack", "Matrices over the router's own table of routes: roles, sessions that were planted, ids and secrets of others, other sites and hosts, reads, " +
		"bodies and headers, requests within requests (also behind HAProxy and nginx), and a day of guesses. A route that a table does not know is a failure. " +
		"What a scanner from outside found, and our answers, is in [scan.md](scan.md).",
		".", nil, []string{"go", "test", "-count=1", "-timeout", "30m", "-run", "TestMatrix|TestNo(Route|Session|Way|Request|Header|Form)|TestOddIDs|TestForeign|TestSecretsOpen|TestReading|TestOpeningLinks|TestBodiesThat|TestHeadersWithoutEnd|TestPlantedMarkup|TestGuesses",
			"-v", "./ui", "./review"}, `matrix of|guesses (of a day )?at|pages and \d+ forms`, ""},
	{"sabotage", "Sabotage", "The promises broken on purpose, one at a time in a copy, and the test that caught it. The tests named for a sabotage run one by one; the table names the first that turned red, and its layer. Power is cut where there is a FUSE; elsewhere the next test counts.",
		".", nil, []string{"go", "run", ".ci/sabotage/main.go", "-table", ".sabotage.md"}, ``, ".sabotage.md"},
}

func main() {
	name := flag.String("page", "proof", "proof or performance")
	only := flag.String("only", "", "a regular expression: only these sections")
	flag.Parse()
	pages := map[string]page{"proof": proof(), "performance": performance()}
	p, ok := pages[*name]
	if !ok {
		fmt.Fprintln(os.Stderr, "proof: -page is proof or performance")
		os.Exit(2)
	}
	if err := p.refresh(*only); err != nil {
		fmt.Fprintln(os.Stderr, "proof:", err)
		os.Exit(1)
	}
}

func proof() page {
	p := page{file: "docs/proof.md", head: "# Proof\n\nWhat attacked the promises of resetdesk, and what came of it. The page is written by `make proof`; each figure stands below the\n" +
		"command that prints it, the commit it was taken at, and the machine; remarks below the figures are by hand. Where it prints a seed,\n" +
		"`RESETDESK_SEED=…` draws the same again. In the simulation that is where the course begins, who does what, when, and what breaks; the order within\n" +
		"one moment and what the program draws itself (numbers, links, keys) are new each time. Elsewhere real processes decide the order.\n\n" +
		"What cannot be promised: mail that is deleted or filtered before the first look at it; a second, byte-identical copy of a letter whose\n" +
		"sending was cut between its final dot and the 250 (RFC 1047); a disk that says it has synced and has not.\n"}
	for _, f := range figures {
		p.sections = append(p.sections, section{f.name, f.run})
	}
	return p
}

func (f figure) run() (string, error) {
	at, err := commit()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(f.command[0], f.command[1:]...)
	cmd.Dir = f.dir
	var shown string
	cmd.Env, shown = environment(f.env)
	begin := time.Now()
	out, failed := cmd.CombinedOutput()
	if gap := gaps(string(out), f.lines); failed == nil && gap != "" {
		failed = errors.New(gap)
	}
	verdict := "passed"
	if failed != nil {
		verdict = "**failed**: " + failed.Error()
		os.Stderr.Write(out)
	}
	in := ""
	if f.dir != "." {
		in = "cd " + f.dir + " && "
	}
	s := fmt.Sprintf("## %s\n\n%s\n\n`%s%s%s`\n\nAt %s, %s/%s with %d processors, in %s: %s.\n\n", f.title, f.about, in, shown, quoted(f.command),
		at, runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), time.Since(begin).Round(time.Second), verdict)
	if f.table != "" {
		b, err := os.ReadFile(f.table)
		if err != nil {
			return s, errors.Join(failed, err)
		}
		return s + string(b), errors.Join(failed, os.Remove(f.table))
	}
	pattern := regexp.MustCompile(f.lines)
	s += "```\n"
	for line := range strings.Lines(string(out)) {
		if pattern.MatchString(line) {
			s += strings.TrimSpace(where.ReplaceAllString(line, "")) + "\n"
		}
	}
	return s + "```\n", failed
}

// gaps says what is missing in the output of tests that passed: go test is content
// with a test that was skipped and with a pattern that no test has, and the page
// would be with no figure.
func gaps(out, lines string) string {
	var all []string
	for _, found := range without.FindAllStringSubmatch(out, -1) {
		all = append(all, strings.TrimSpace(found[0]))
	}
	if lines != "" && !regexp.MustCompile("(?m)"+lines).MatchString(out) {
		all = append(all, "no figure was printed")
	}
	return strings.Join(all, ", ")
}

// without finds what go test says of a test that it did not run.
var without = regexp.MustCompile(`(?m)^\s*--- SKIP: \S+|^testing: warning: no tests to run$|^.*\[no tests? (to run|files)\]$`)

// where is the place in the test that go test puts before a line.
var where = regexp.MustCompile(`^\s*\w+_test\.go:\d+: `)

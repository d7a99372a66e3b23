package simulation

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/mailtest"
	"github.com/resetdesk/resetdesk/totp"
)

// A scenario is a story that the program plays in a process of its own: the mails
// that came, and what has to come true, in this order.
type scenario struct {
	name  string
	mails func(w *town) [][]byte
	goals []string // names of goals
}

var none = func(*town) [][]byte { return nil }

var one = func(w *town) [][]byte { return [][]byte{w.request(1, "a@mail.example")} }

var scenarios = []scenario{
	{"no business of ours", func(w *town) [][]byte {
		return [][]byte{w.mail("shop@elsewhere.example", "offer", "a@mail.example", "Buy now.")}
	}, []string{"fates"}},
	{"a request", one, []string{"fates", "letters"}},
	{"asked twice", func(w *town) [][]byte {
		return [][]byte{w.request(1, "a@mail.example"), w.request(1, "b@mail.example")}
	}, []string{"fates", "letters"}},
	{"a forgery", func(w *town) [][]byte {
		return [][]byte{w.mail("Admin <admin@company1.example>\nFrom: Mallory <m@stranger.example>", "2FA reset for user1", "a@mail.example", "Reset the two-factor authentication of user1.")}
	}, []string{"fates"}},
	{"two accounts", func(w *town) [][]byte {
		return [][]byte{w.request(1, "a@mail.example"), w.request(2, "b@mail.example")}
	}, []string{"fates", "letters"}},
	{"the owner's yes", one, []string{"fates", "letters", "yes"}},
	{"the owner's no, and on", one, []string{"fates", "letters", "no", "resumed", "letters"}},
	{"rejected", one, []string{"fates", "letters", "rejected", "letters"}},
	{"a reset", one, []string{"fates", "letters", "yes", "reset", "letters"}},
	{"vote before the yes", one, []string{"fates", "letters", "vote", "yes", "reset", "letters"}},
	{"enrolled again", one, []string{"fates", "letters", "yes", "reset", "letters", "enrolled", "letters"}},
	{"undone", one, []string{"fates", "letters", "yes", "reset", "letters", "undone", "letters"}},
}

// A stage is what a worker is told of its world.
type stage struct {
	Scenario   string
	Dir        string
	IMAP, SMTP string
	User       string // of the mailbox
	Password   string
	Secrets    map[string]string
	Key        string // the first that seals
	Hook       string // an endpoint that takes everything
}

// TestCrashPoints ends the program at each named point of each scenario, and
// starts it again: the story comes to its end, with the promises kept.
// RESETDESK_CRASHES says how many of the points are tried, drawn by a seed (0:
// all of them), RESETDESK_HITS at how many of its hits each, RESETDESK_SCENARIOS is a
// regular expression of the scenarios that are ended; all are played.
func TestCrashPoints(t *testing.T) {
	if text := os.Getenv("RESETDESK_STAGE"); text != "" {
		var s stage
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
		play(t, s)
		return
	}
	home := homeOf(t)
	binary := instrument(t, t.TempDir())
	seed := number(t, "RESETDESK_SEED", rand.Uint64()>>16)
	rng := rand.New(rand.NewPCG(seed, 3))
	tries, names := reach(t, home, binary, number(t, "RESETDESK_HITS", 2))
	all := len(tries)
	rng.Shuffle(len(tries), func(i, j int) { tries[i], tries[j] = tries[j], tries[i] })
	if n := number(t, "RESETDESK_CRASHES", 20); n > 0 {
		tries = tries[:min(len(tries), int(n))]
	}
	struck := make([]int, len(tries))
	inParallel(t, len(tries), func(t *testing.T, i int) {
		c := &crashing{t: t, home: home, binary: binary, scenario: tries[i].scenario}
		for struck[i] == 0 && c.runs < 3 { // the order of what happens at once is Go's: a hit may be missing once
			struck[i] = c.run("RESETDESK_CRASH_AT="+tries[i].at, "")
		}
		if t.Failed() {
			t.Fatalf("%s, at %s", c.name, tries[i].at)
		}
	})
	crashed := 0
	for i, n := range struck {
		if crashed += n; n == 0 {
			t.Logf("never struck: %s, at %s", tries[i].name, tries[i].at)
		}
	}
	t.Logf("seed %d: %d points in %d scenarios, %d crashes of %d possible, %d of them struck", seed, len(names), len(scenarios), len(tries), all, crashed)
	if crashed < len(tries)*95/100 {
		t.Error("too many points were not reached again")
	}
	unreached(t, names)
}

// A try is a scenario that is to be ended at a hit of a point.
type try struct {
	scenario
	at string
}

// enough scenarios end at a point: the courses of a reset, a fresh database and
// trouble with the mail server. What others do on the way to their own is not tried
// again.
const enough = 14

// reach plays every scenario without a crash, and says what there is to try: the
// points that were hit, each at up to so many of its hits.
func reach(t *testing.T, h home, binary string, hits uint64) (tries []try, names map[string]bool) {
	logs := make([]string, len(scenarios))
	for i := range logs {
		logs[i] = filepath.Join(t.TempDir(), "points")
	}
	inParallel(t, len(scenarios), func(t *testing.T, i int) {
		c := &crashing{t: t, home: h, binary: binary, scenario: scenarios[i]}
		c.run("RESETDESK_CRASH_LOG=" + logs[i])
	})
	names = map[string]bool{}
	scenariosOf := map[string]int{} // with a point
	for i, s := range scenarios {
		text, err := os.ReadFile(logs[i])
		if err != nil || t.Failed() {
			t.Fatal("without a crash: ", err)
		}
		seen := map[string]uint64{}
		for point := range strings.Lines(string(text)) {
			point = strings.TrimSpace(point)
			names[point] = true
			if seen[point]++; seen[point] == 1 {
				scenariosOf[point]++
			}
			if seen[point] <= hits && scenariosOf[point] <= enough && wanted(t, s.name) {
				tries = append(tries, try{s, fmt.Sprintf("%s#%d", point, seen[point])})
			}
		}
	}
	return tries, names
}

// wanted says whether a scenario is to be ended.
func wanted(t *testing.T, name string) bool {
	t.Helper()
	pattern, err := regexp.Compile(os.Getenv("RESETDESK_SCENARIOS"))
	if err != nil {
		t.Fatalf("RESETDESK_SCENARIOS: %v", err)
	}
	return pattern.MatchString(name)
}

// inParallel does n things until one fails, as many at once as -parallel says: by far
// the most of each is waiting.
func inParallel(t *testing.T, n int, do func(t *testing.T, i int)) {
	var next atomic.Int64
	lanes, err := strconv.Atoi(flag.Lookup("test.parallel").Value.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Run("at once", func(t *testing.T) {
		for w := range lanes {
			t.Run(fmt.Sprint(w), func(t *testing.T) {
				t.Parallel()
				for i := int(next.Add(1)) - 1; i < n && !t.Failed(); i = int(next.Add(1)) - 1 {
					do(t, i)
				}
			})
		}
	})
}

// A crashing is one database with its servers, over several runs of the program.
type crashing struct {
	t      *testing.T
	home   home
	binary string
	scenario
	runs int
}

// run plays the scenario in a new world, once with each environment, and reads
// the promises at the end. It returns how many runs were killed.
func (c *crashing) run(environments ...string) (killed int) {
	t := c.t
	c.runs++
	dir, err := os.MkdirTemp(memory(), "resetdesk")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	w := &town{t: t, home: c.home, path: filepath.Join(dir, "desk.db"), whole: true, marked: map[uint32]bool{}, voted: map[string]string{}, gens: map[string]int64{}, heads: map[int64]string{}}
	if w.imap, err = mailtest.NewIMAP(mailtest.IMAPOptions{}); err != nil {
		t.Fatal(err)
	}
	defer w.imap.Close()
	if w.smtp, err = mailtest.NewSMTP(mailtest.SMTPOptions{}); err != nil {
		t.Fatal(err)
	}
	defer w.smtp.Close()
	if c.name != fresh {
		if err := os.WriteFile(w.path, w.db, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.keys.Write(filepath.Join(dir, "desk.keys")); err != nil {
		t.Fatal(err)
	}
	if c.name == trouble {
		for step, f := range map[mailtest.Step]mailtest.SMTPFault{mailtest.Rcpt: {Code: 451, Text: "4.2.0 later", Times: 1}, mailtest.Dot: {Cut: true, Times: 1},
			mailtest.Stored: {Cut: true, Times: 1}, mailtest.Mail: {Code: 451, Text: "4.2.0 later", Times: 1}} {
			w.smtp.Fault(step, f)
		}
	}
	for _, raw := range c.mails(w) {
		w.deliver(raw, c.name == "a forgery")
	}
	if c.name == old {
		w.ageSignal()
	}
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer hook.Close()
	s := stage{Scenario: c.name, Dir: dir, IMAP: w.imap.Addr(), SMTP: w.smtp.Addr(), User: w.imap.User, Password: w.imap.Password, Secrets: w.secrets,
		Key: w.keys.IDs()[0], Hook: hook.URL}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for i, env := range environments {
		if i > 0 && c.name == hooked {
			w.write(`UPDATE webhook SET leased_until = 0`) // the minute of what was on its way is over
			w.write(`UPDATE webhook_delivery SET next_at = 0 WHERE state = 'waiting'`)
		}
		cmd := exec.Command(c.binary, "-test.run", "^TestCrashPoints$", "-test.timeout", "3m")
		cmd.Env = append(os.Environ(), "RESETDESK_STAGE="+string(text), env)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		switch {
		case err != nil && i < len(environments)-1 && cmd.ProcessState.ExitCode() == -1:
			killed++
		case err != nil:
			t.Errorf("%s: %v\n%s", c.name, err, out.String())
			return killed
		}
	}
	w.plain = plainSQL(t, w.path)
	defer w.plain.Close()
	w.check()
	if owed := w.owed(); owed != "" {
		t.Errorf("I12: %s", owed)
	}
	w.checkAtEnd(&tally{})
	if n := w.count(`SELECT count(*) FROM reset`); n > 1 || slices.Contains(c.goals, "reset") != (n == 1) {
		t.Errorf("%d resets", n)
	}
	return killed
}

// play is the worker: it runs the program until every goal is reached. Goals that
// an earlier run reached are not played again.
func play(t *testing.T, s stage) {
	keys, err := totp.LoadKeyring(filepath.Join(s.Dir, "desk.keys"))
	if err != nil {
		t.Fatal(err)
	}
	w := &town{t: t, home: home{keys: keys, secrets: s.Secrets}, path: filepath.Join(s.Dir, "desk.db"), rng: rand.New(rand.NewPCG(1, 1))}
	w.recall(s)
	w.plain = plainSQL(t, w.path)
	defer w.plain.Close()
	w.startFor(s)
	i := slices.IndexFunc(scenarios, func(c scenario) bool { return c.name == s.Scenario })
	end := time.Now().Add(100 * time.Second) // where the machine has much else to do
	for _, name := range append(slices.Clone(scenarios[i].goals), "letters") {
		g := goals[name]
		for w.count(strings.ReplaceAll(g.reached, "{key}", s.Key)) == 0 {
			if time.Now().After(end) {
				t.Fatalf("never reached: %s\n%s", name, w.log.String())
			}
			if g.act != nil {
				g.act(w)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	w.leave()
}

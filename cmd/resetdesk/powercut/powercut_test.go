package powercut

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
	_ "modernc.org/sqlite"
)

// A bench is where the power is cut again and again.
type bench struct {
	t     *testing.T
	plan  plan
	files map[string][]byte // of the furnished database
	rng   *rand.Rand
	toll  toll
}

// A toll is what power cuts came to.
type toll struct{ cuts, acked, lost, corrupt, ended, met int }

func (l *toll) add(o toll) {
	l.cuts, l.acked, l.lost, l.corrupt, l.ended, l.met = l.cuts+o.cuts, l.acked+o.acked, l.lost+o.lost, l.corrupt+o.corrupt, l.ended+o.ended, l.met+o.met
}

func (l toll) String() string {
	return fmt.Sprintf("%d power cuts: %d acknowledged, %d of them lost, %d databases corrupt; a fault of the disk was met %d times, the program ended by itself %d times", l.cuts, l.acked, l.lost, l.corrupt, l.met, l.ended)
}

func (l toll) sound() bool { return l.lost == 0 && l.corrupt == 0 }

func newBench(t *testing.T, seed uint64) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{t: t, plan: furnish(t, dir), rng: rand.New(rand.NewPCG(seed, 2))}
	db, err := os.ReadFile(filepath.Join(dir, "desk.db"))
	if err != nil {
		t.Fatal(err)
	}
	b.files = map[string][]byte{"desk.db": db, "desk.db.lock": {}}
	return b
}

// cuts is how often the power is cut: RESETDESK_CUTS times, that part of them which
// share says, or otherwise.
func cuts(t *testing.T, otherwise, share int) int {
	t.Helper()
	s := os.Getenv("RESETDESK_CUTS")
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return max(otherwise, n/share)
}

// cutAll cuts n times, on two hundred a bench and several benches at once, and
// returns what all of it came to. The seed is printed; RESETDESK_SEED repeats it.
func cutAll(t *testing.T, n int, cut func(b *bench, n int)) toll {
	t.Helper()
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil || os.Getuid() != 0 {
		missing := fmt.Sprintf("power cuts need /dev/fuse and root to mount it: %v, uid %d", err, os.Getuid())
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	} else {
		f.Close()
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("RESETDESK_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("seed %d", seed)
	var sum toll
	var adding sync.Mutex
	t.Run("benches", func(t *testing.T) {
		for from := 0; from < n; from += 200 {
			t.Run(strconv.Itoa(from), func(t *testing.T) {
				t.Parallel()
				b := newBench(t, seed+uint64(from))
				for i := from; i < min(n, from+200); i++ {
					cut(b, i)
				}
				adding.Lock()
				defer adding.Unlock()
				sum.add(b.toll)
			})
		}
	})
	t.Log(sum)
	return sum
}

// run lets the worker work on d until the power is cut after some time, and
// returns what it acknowledged and what is on the platter.
func (b *bench) run(d *disk, p plan, alive time.Duration, mode int) (acks []string, left map[string][]byte) {
	b.t.Helper()
	mount := filepath.Join(b.t.TempDir(), "mnt")
	if err := os.Mkdir(mount, 0o700); err != nil {
		b.t.Fatal(err)
	}
	second := time.Second
	server, err := fs.Mount(mount, &root{disk: d}, &fs.Options{AttrTimeout: &second, EntryTimeout: &second, MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "powercut"}})
	if err != nil {
		b.t.Fatalf("mount: %v", err)
	}
	p.Dir = mount
	text, err := json.Marshal(p)
	if err != nil {
		b.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestWorker$")
	cmd.Env = append(os.Environ(), "RESETDESK_POWERCUT_PLAN="+string(text))
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.t.Fatal(err)
	}
	lines := make(chan string, 1<<16)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	begun := false
	var over <-chan time.Time
	take := func(line string) (ended bool) {
		if strings.HasPrefix(line, "ack ") && strings.HasSuffix(line, ".") {
			acks = append(acks, strings.TrimSuffix(strings.TrimPrefix(line, "ack "), "."))
			if !begun {
				begun, over = true, time.After(alive)
			}
		}
		if strings.HasPrefix(line, "ended") {
			b.toll.ended++
			b.t.Logf("%s after %d acks", line, len(acks))
		}
		return strings.HasPrefix(line, "ended")
	}
	late := time.After(time.Minute)
work:
	for {
		select {
		case line, ok := <-lines:
			if !ok || take(line) {
				break work
			}
		case <-over:
			break work
		case <-late:
			b.t.Error("the worker does nothing")
			break work
		}
	}
	// What was acknowledged until the power goes; then it goes, and only then the
	// process.
	for more := true; more; {
		select {
		case line, ok := <-lines:
			more = ok
			take(line)
		default:
			more = false
		}
	}
	left = d.cut(b.rng, mode)
	_ = cmd.Process.Kill()
	for range lines { // said after the cut: it may or may not be there
	}
	_ = cmd.Wait()
	if err := server.Unmount(); err != nil {
		b.t.Fatalf("unmount: %v", err)
	}
	b.toll.cuts++
	b.toll.acked += len(acks)
	return acks, left
}

// check opens what is left as the next start would, and compares.
func (b *bench) check(acks []string, left map[string][]byte, p plan) (lost int, err error) {
	dir := b.t.TempDir()
	for name, content := range left {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	defer os.RemoveAll(dir)
	if p.Plain == "" {
		keys, err := totp.LoadKeyring(p.Keys)
		if err != nil {
			b.t.Fatal(err)
		}
		desk, err := review.Open(context.Background(), config(dir, keys))
		if err != nil {
			return 0, err
		}
		_, err = desk.VerifyAudit(context.Background())
		if err != nil {
			desk.Close()
			return 0, err
		}
		defer desk.Close()
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "desk.db"))
	if err != nil {
		b.t.Fatal(err)
	}
	defer db.Close()
	var whole string
	if err := db.QueryRow(`PRAGMA integrity_check`).Scan(&whole); err != nil || whole != "ok" {
		return 0, fmt.Errorf("integrity: %s %w", whole, err)
	}
	var broken int
	if err := db.QueryRow(`SELECT count(*) FROM pragma_foreign_key_check`).Scan(&broken); err != nil || broken > 0 {
		return 0, fmt.Errorf("%d broken references, %w", broken, err)
	}
	for _, a := range acks {
		what, id, _ := strings.Cut(a, " ")
		var there bool
		if err := db.QueryRow(asked[what], id).Scan(&there); err != nil && err != sql.ErrNoRows {
			if !strings.Contains(err.Error(), "no such table") {
				return lost, err
			}
		}
		if !there {
			lost++
			if p.Plain == "" {
				b.t.Logf("lost: %s", a)
			}
		}
	}
	return lost, nil
}

// asked are the questions whether something that was acknowledged is there.
var asked = map[string]string{
	"mail":   `SELECT count(*) = 1 FROM inbound WHERE uid = $1 AND uid <= (SELECT uid FROM cursor)`,
	"answer": `SELECT count(*) = 1 FROM answer WHERE user_id = $1 AND answer = 'yes'`,
	"vote":   `SELECT count(*) = 1 FROM approval a JOIN reset_case c ON c.id = a.case_id WHERE c.number = $1`,
	"reset": `SELECT count(*) = 1 FROM reset r JOIN reset_case c ON c.id = r.case_id JOIN holder h ON h.id = r.user_id WHERE c.number = $1 AND c.state = 'cleared'
		AND h.generation = r.generation + 1 AND EXISTS (SELECT 1 FROM letter WHERE reset_id = r.id AND kind = 'pass') AND NOT EXISTS (SELECT 1 FROM credential WHERE user_id = h.id AND state = 'active')`,
	"dot":   `SELECT state IN ('dot', 'sent') FROM letter WHERE id = $1`,
	"sent":  `SELECT state = 'sent' FROM letter WHERE id = $1`,
	"plain": `SELECT count(*) = 1 FROM plain WHERE id = $1`,
}

// moment is how long the worker lives behind its first word: 1 ms to 1 s, log-uniform.
func (b *bench) moment() time.Duration {
	return time.Duration(math.Exp(b.rng.Float64()*math.Log(1000)) * float64(time.Millisecond))
}

// cutOnce is one cut on d and what became of it.
func (b *bench) cutOnce(d *disk, p plan, alive time.Duration, mode int) {
	b.t.Helper()
	acks, left := b.run(d, p, alive, mode)
	if d.met {
		b.toll.met++
	}
	lost, err := b.check(acks, left, p)
	b.toll.lost += lost
	if err != nil {
		b.toll.corrupt++
		b.t.Logf("corrupt: %v", err)
	}
}

func wantSound(t *testing.T, l toll) {
	t.Helper()
	if !l.sound() || l.acked == 0 {
		t.Error("the promises do not survive a power cut")
	}
}

// TestPowerCut: whatever of the unsynced writes survives, nothing that was
// acknowledged is lost and the database is whole.
func TestPowerCut(t *testing.T) {
	wantSound(t, cutAll(t, cuts(t, 15, 1), func(b *bench, n int) {
		b.cutOnce(newDisk(maps.Clone(b.files)), b.plan, b.moment(), n%modes)
	}))
}

// TestControls: the bench itself. A disk that lies about fsync, and commits that
// are not synced, must be found out; the same commits, synced, must not.
func TestControls(t *testing.T) {
	for _, c := range []struct {
		name, plain string
		lies, sound bool
	}{{"the desk on a disk that lies", "", true, false}, {"synchronous normal", "normal", false, false}, {"synchronous full", "full", false, true}} {
		t.Run(c.name, func(t *testing.T) {
			l := cutAll(t, cuts(t, 4, 50), func(b *bench, n int) {
				p, d := b.plan, newDisk(maps.Clone(b.files))
				p.Plain, d.lies = c.plain, c.lies
				b.cutOnce(d, p, 100*time.Millisecond, n%modes)
			})
			if l.sound() != c.sound || l.acked == 0 {
				t.Errorf("sound: %t", l.sound())
			}
		})
	}
}

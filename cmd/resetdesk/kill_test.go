package main

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var caseLink = regexp.MustCompile(`href="/cases/(RST-[0-9A-Z]{6})"`)

// TestKill kills the real program with SIGKILL at random moments while mail
// arrives, owners answer and staff approve, and now and then kills or stops what
// stands around it; then it reads from outside, with plain SQL and the mail files,
// what became of the promises. Every 250 kills have a world of their own, so that
// one that is broken is found soon. The seed is printed; RESETDESK_SEED repeats it.
func TestKill(t *testing.T) {
	t.Parallel() // it mostly waits, as the soak does
	const aRound = 250
	kills, seed := killSizes(t)
	t.Logf("seed %d", seed)
	var sum toll
	var rounds sync.Mutex
	t.Run("rounds", func(t *testing.T) {
		for i := 0; i*aRound < kills; i++ {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				round := killRound(t, seed+uint64(i), min(aRound, kills-i*aRound))
				rounds.Lock()
				defer rounds.Unlock()
				sum.add(round)
			})
		}
	})
	t.Log(sum)
	if sum.resets == 0 || sum.inCase == 0 {
		t.Error("no request came to a case, or no reset happened: the test proves nothing")
	}
}

func killSizes(t *testing.T) (kills int, seed uint64) {
	t.Helper()
	kills, seed = 20, uint64(time.Now().UnixNano())
	var err error
	if s := os.Getenv("RESETDESK_KILLS"); s != "" {
		if kills, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	if s := os.Getenv("RESETDESK_SEED"); s != "" {
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	return kills, seed
}

func killRound(t *testing.T, seed uint64, kills int) toll {
	t.Helper()
	k := &killing{w: newWorld(t, 400, 12), rng: rand.New(rand.NewPCG(seed, seed)), stop: make(chan struct{}), answered: map[string]bool{}, approved: map[string]bool{}}
	var actors sync.WaitGroup
	actors.Go(k.deliver)
	actors.Go(k.owners)
	actors.Go(k.staff)
	for range kills {
		k.w.start()
		k.live(k.moment())
		k.w.kill()
	}
	k.w.start()
	k.w.ready()
	time.Sleep(2 * time.Second) // the actors meet a healthy program once more
	close(k.stop)
	actors.Wait()
	k.settle(k.answerAll)
	k.w.stop()
	k.toll.kills = kills
	k.check()
	return k.toll
}

// A killing is the test's own journal of what it did.
type killing struct {
	w    *world
	stop chan struct{}

	mu        sync.Mutex
	rng       *rand.Rand
	tried     []*posted
	delivered int             // of them, whose APPEND was answered with OK
	looked    bool            // the desk has ended its first look at the mailbox
	removed   int             // of delivered, by a person at the mailbox
	answered  map[string]bool // links whose yes was acknowledged
	approved  map[string]bool // case numbers whose approval was acknowledged
	toll      toll
}

// live lets the program run for a while. One time in three it is not alone in
// trouble: a server beside it is killed and comes back, or one of the three stops
// and goes on (SIGSTOP, SIGCONT), as on a machine without memory or time.
func (k *killing) live(d time.Duration) {
	k.w.t.Helper()
	end := time.Now().Add(d)
	var err error
	switch k.draw(15) {
	case 0:
		k.toll.servers++
		err = errors.Join(k.w.dovecot.Kill(), k.w.dovecot.Start())
	case 1:
		k.toll.servers++
		err = k.w.killSink()
	case 2:
		k.toll.stops++
		err = k.w.dovecot.Freeze(d / 2)
	case 3:
		k.toll.stops++
		err = k.w.sink.Freeze(d / 2)
	case 4:
		k.toll.stops++
		err = k.w.freeze(d / 2)
	}
	if err != nil {
		k.w.t.Error(err)
	}
	time.Sleep(time.Until(end))
}

// moment is how long a run lives, log-uniform: one half between 1 ms and 3 s, so that
// start-up, steady work and everything between are hit, and one half between 200 ms and
// 1.5 s, so that most of the kills meet a program that is ready.
func (k *killing) moment() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	from, to := 1.0, 3000.0
	if k.rng.IntN(2) == 0 {
		from, to = 200, 1500
	}
	return time.Duration(from * math.Pow(to/from, k.rng.Float64()) * float64(time.Millisecond))
}

func (k *killing) over(pause time.Duration) bool {
	select {
	case <-k.stop:
		return true
	case <-time.After(pause):
		return false
	}
}

// deliver lets mail arrive: requests, the same request again, and mail that is
// none of our business.
func (k *killing) deliver() {
	next := 0
	for n := 0; !k.over(80 * time.Millisecond); n++ {
		id := fmt.Sprintf("kill%d@mail.example", n)
		raw, user := requestMail(next, id), fmt.Sprintf("U-%d", next)
		switch k.draw(4) {
		case 0, 1:
			if next < 399 {
				next++
			}
		case 2: // again for the same user
		default:
			user, raw = "", []byte("From: shop@elsewhere.example\r\nTo: support@host.example\r\nSubject: offer\r\nDate: "+time.Now().Format(time.RFC1123Z)+
				"\r\nMessage-ID: <"+id+">\r\n\r\nBuy now.\r\n")
		}
		p := k.post(id, user, raw)
		if err := k.w.dovecot.Deliver(raw); err == nil {
			k.took(p)
		}
	}
}

func (k *killing) draw(n int) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.rng.IntN(n)
}

// owners say yes through every confirm link they get, until it is acknowledged.
func (k *killing) owners() {
	for !k.over(100 * time.Millisecond) {
		k.answerAll()
	}
}

func (k *killing) answerAll() (open int) {
	for _, l := range k.w.letters() {
		link := ownerLink.FindString(l.text)
		if !strings.Contains(l.subject, "Please confirm") || link == "" || k.answered[link] {
			continue
		}
		status, _, err := k.w.post(link, map[string][]string{"answer": {"yes"}}, nil)
		if err == nil && (status == 303 || status == 409) {
			k.answered[link] = true
			continue
		}
		open++
	}
	return open
}

// staff approve what stands in the queue, each reviewer as often as the
// authenticator shows a new code.
func (k *killing) staff() {
	for !k.over(50 * time.Millisecond) {
		_, page, err := k.w.signedIn("/?tab=review", k.w.reviewers[0])
		if err != nil {
			continue
		}
		for _, m := range caseLink.FindAllStringSubmatch(page, 3) {
			k.approveOne(m[1])
		}
	}
}

var accountNumber = regexp.MustCompile(`Type the account number <b class="mono">(A-\d+)</b>`)

func (k *killing) approveOne(number string) {
	p := k.w.reviewers[k.draw(len(k.w.reviewers))]
	_, page, err := k.w.signedIn("/cases/"+number+"/approve", p)
	m := accountNumber.FindStringSubmatch(page)
	if err != nil || m == nil {
		return
	}
	done, err := k.w.approve(p, number, m[1])
	if done {
		k.approved[number] = true
	} else if !errors.Is(err, errNoCode) {
		k.toll.votesUnsure++
	}
}

// settle waits until nothing is in progress any more; answer gives the owners'
// answers that are open and says how many still are.
func (k *killing) settle(answer func() int) {
	k.w.t.Helper()
	db := k.w.plainSQL()
	var mails, waiting, letters, ready int
	defer func() {
		if k.w.t.Failed() {
			k.w.t.Logf("mails %d of %d, of them without a fate %d; letters not sent %d, resets not made %d; UIDs that the server gave twice %d",
				mails, k.delivered, waiting, letters, ready, len(k.w.givenTwice()))
		}
	}()
	// A lock that a killed Dovecot left holds its folder for two minutes, and our next try may come later.
	await(k.w.t, "quiet after the kills", 6*time.Minute, func() bool {
		if answer() > 0 {
			return false
		}
		err := db.QueryRow(`SELECT (SELECT count(*) FROM inbound), (SELECT count(*) FROM inbound WHERE fate IS NULL),
			(SELECT count(*) FROM letter WHERE state <> 'sent'),
			(SELECT count(*) FROM reset_case c WHERE state = 'open' AND EXISTS (SELECT 1 FROM approval WHERE case_id = c.id)
				AND EXISTS (SELECT 1 FROM answer WHERE case_id = c.id AND answer = 'yes'))`).Scan(&mails, &waiting, &letters, &ready)
		return err == nil && mails >= k.delivered && waiting == 0 && letters == 0 && ready == 0
	})
}

package simulation

import (
	"math/rand/v2"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// age is how old the world is when its database is made, so that a clock can be
// set back by a day.
const age = 48 * time.Hour

// setBack draws by how much a clock is set back: a minute as likely as half a day.
func setBack(rng *rand.Rand) time.Duration {
	d := time.Minute << rng.IntN(11)
	return min(d+time.Duration(rng.IntN(int(d))), 24*time.Hour)
}

// behind is how long it takes until the clock is where it was when the situation came.
func (w *town) behind() time.Duration { return w.from.at - time.Since(w.began) }

// catchUp waits until the clock is past what the database knows; if that takes long,
// with the program switched off.
func (w *town) catchUp() {
	if w.behind() > 10*time.Minute {
		w.crash()
	}
	time.Sleep(w.behind())
	w.start()
}

func step(t time.Time) int64 { return t.Unix() / 30 }

// freshCode reads off a code of the holder that was not used yet; it waits for one.
// After the clock was set back people often do not wait.
func (w *town) freshCode(holder string) string {
	for ahead := w.shown[holder] - step(time.Now()); ahead == 0 || ahead > 0 && ahead < 20 && w.rng.IntN(2) == 0; ahead-- {
		time.Sleep(time.Until(time.Now().Truncate(30 * time.Second).Add(30 * time.Second)))
	}
	w.shown[holder] = max(w.shown[holder], step(time.Now()))
	return code(w.t, w.secrets[holder], time.Now())
}

// overTheShoulder tries the code that somebody saw a user sign in with.
func (w *town) overTheShoulder(user string) {
	w.t.Helper()
	time.Sleep(time.Duration(w.rng.IntN(20)) * time.Second)
	secret := w.secrets[user]
	if _, err := w.prog.desk.Book().Verify(w.t.Context(), user, code(w.t, secret, time.Unix(30*w.steps[secret], 0)), totp.Web); err == nil {
		w.t.Errorf("6: the code of step %d was accepted twice", w.steps[secret])
	}
}

// accepted notes that the code of now was good for something. None is twice, and none
// from before the last that was (promises 6, row 32).
func (w *town) accepted(secret string) {
	w.t.Helper()
	now := step(time.Now())
	if now <= w.steps[secret] {
		w.t.Errorf("6: the code of step %d was accepted, after that of step %d", now, w.steps[secret])
	}
	w.steps[secret] = now
}

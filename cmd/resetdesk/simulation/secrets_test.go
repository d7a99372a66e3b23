package simulation

import (
	"bytes"
	"encoding/base32"
	"errors"
	"os"
)

// checkSecrets: no secret of a second factor in the log, in a letter, or in the
// clear in the database's files (I11). Pages that are as they were when the course
// began were read when its situation was made.
func (w *town) checkSecrets() {
	var patterns [][]byte
	for _, text := range w.secrets {
		if secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(text); err == nil { // not a name
			patterns = append(patterns, secret, []byte(text))
		}
	}
	look := func(place string, b []byte) {
		for _, p := range patterns {
			if bytes.Contains(b, p) {
				w.t.Errorf("I11: a secret is in %s", place)
			}
		}
	}
	w.logMu.Lock()
	look("the log", w.log.Bytes())
	w.logMu.Unlock()
	for _, l := range w.arrived[len(w.arrived)-w.parsed:] {
		look("letter "+l.id, l.raw)
	}
	if !w.whole {
		return
	}
	var before []byte
	if w.from != nil {
		before = w.from.db
	}
	for _, end := range []string{"", "-wal"} {
		err := reading(w.path+end, func(b []byte) error {
			for _, part := range changed(before, b) {
				look("the file desk.db"+end, part)
			}
			return nil
		})
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			w.t.Error(err)
		}
		before = nil
	}
}

// changed returns the parts of a database file that are not as in an earlier one: a
// page is, or is not.
func changed(before, after []byte) (parts [][]byte) {
	begin := 0
	for n := 0; n < len(after); n += page {
		end := min(n+page, len(after))
		if end <= len(before) && bytes.Equal(before[n:end], after[n:end]) {
			if begin < n {
				parts = append(parts, after[begin:n])
			}
			begin = end
		}
	}
	if begin < len(after) {
		parts = append(parts, after[begin:])
	}
	return parts
}

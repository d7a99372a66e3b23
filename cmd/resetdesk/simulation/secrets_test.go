package simulation

import (
	"bytes"
	"encoding/base32"
	"errors"
	"os"
	"strings"
)

// A hushed text must be nowhere but in one letter, if it was written for one.
type hushed struct {
	what string
	text []byte
	in   string // the Message-ID of that letter
}

// everythingHushed are the secrets that the people of the course know.
func (w *town) everythingHushed() []hushed {
	all := []hushed{{what: "a password", text: []byte(password)}}
	for _, text := range w.secrets {
		if secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(text); err == nil { // not a name
			all = append(all, hushed{what: "a secret", text: secret}, hushed{what: "a secret", text: []byte(text)})
		}
	}
	for _, token := range w.sessions {
		if token != "" {
			all = append(all, hushed{what: "a session", text: []byte(token)})
		}
	}
	for _, code := range w.backup {
		all = append(all, hushed{what: "a backup code", text: []byte(code)}, hushed{what: "a backup code", text: []byte(strings.ReplaceAll(code, "-", ""))})
	}
	for _, l := range w.arrived {
		for _, m := range linkPattern.FindAllStringSubmatch(l.text, -1) {
			all = append(all, hushed{"a link", []byte(strings.TrimPrefix(m[1], "/r/")), l.id})
		}
		if m := passPattern.FindStringSubmatch(l.text); m != nil {
			all = append(all, hushed{"a pass", []byte(m[1]), l.id})
		}
	}
	return all
}

// checkSecrets: no secret of a second factor, password, backup code, session, link or
// pass in the log, in a letter that is not its own, or in the clear in the database's
// files (I11). Pages that are as they were when the course began were read when its
// situation was made.
func (w *town) checkSecrets() {
	w.t.Helper()
	w.letters()
	all := w.everythingHushed()
	look := func(place, letter string, b []byte) {
		for _, h := range all {
			if (letter == "" || h.in != letter) && bytes.Contains(b, h.text) {
				w.t.Errorf("I11: %s is in %s", h.what, place)
			}
		}
	}
	w.logMu.Lock()
	look("the log", "", w.log.Bytes())
	w.logMu.Unlock()
	for _, l := range w.arrived[len(w.arrived)-w.parsed:] {
		look("letter "+l.id, l.id, l.raw)
		look("letter "+l.id, l.id, []byte(l.text))
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
				look("the file desk.db"+end, "", part)
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

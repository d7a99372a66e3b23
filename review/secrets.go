package review

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// People quote our letters when they answer them, and with them what a letter gave
// to one person alone: the token of a link, an enrollment pass. Whoever reads a
// case must not find it there, and answer for the owner (design 2, promise 3).

// tokenLength is how long the token of a link is, cutLength how much of one is
// blanked where the text was cut off: the rest could be guessed.
const tokenLength, cutLength = 52, 16

// passRun is an enrollment pass.
var passRun = regexp.MustCompile(`\b[` + crockford + `]{4}(?:-(?:=?\r?\n[> \t]*)?[` + crockford + `]{4}){5}\b`)

// An alphabet says which octets belong to it.
type alphabet [256]bool

func alphabetOf(letters string) (a alphabet) {
	for i := range len(letters) {
		a[letters[i]] = true
	}
	return a
}

var (
	symbols = alphabetOf(crockford)
	base64s = alphabetOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
)

// run returns where the run of letters that begins at start ends, over ends of
// lines that next goes over, and how many letters it has.
func (a *alphabet) run(s string, start int, next func(s string, at int) int) (end, n int) {
	for end = start; end < len(s); n, end = n+1, end+1 {
		if a[s[end]] {
			continue
		}
		after := next(s, end)
		if after == end || after >= len(s) || !a[s[after]] {
			break
		}
		end = after
	}
	return end, n
}

// brokenLine goes over an end of line where quoted-printable or a mail program
// broke a long word.
func brokenLine(s string, at int) int {
	rest := strings.TrimPrefix(s[at:min(len(s), at+80)], "=")
	rest = strings.TrimPrefix(rest, "\r")
	if !strings.HasPrefix(rest, "\n") {
		return at
	}
	shown := strings.TrimLeft(rest[1:], "> \t")
	return min(len(s), at+80) - len(shown)
}

// plainLine goes over a bare end of line.
func plainLine(s string, at int) int {
	switch {
	case s[at] == '\n':
		return at + 1
	case strings.HasPrefix(s[at:], "\r\n"):
		return at + 2
	}
	return at
}

// withoutSecrets blanks the secrets of our letters, letter by letter.
func withoutSecrets(s string) string {
	places := secretsIn(s)
	if len(places) == 0 {
		return s
	}
	b := []byte(s)
	for _, at := range places {
		for i := at[0]; i < at[1]; i++ {
			if symbols[b[i]] {
				b[i] = '*'
			}
		}
	}
	return string(b)
}

// secretsIn returns the places of what can be a secret, in their order: a token in
// any address, also one that a filter rewrote (%2Fr%2F…), and a pass.
func secretsIn(s string) (places [][]int) {
	for i := 0; i < len(s); i++ {
		if !symbols[s[i]] {
			continue
		}
		end, n := symbols.run(s, i, brokenLine)
		if n == 4 && strings.HasPrefix(s[end:], "-") { // a pass has groups of four
			if at := passRun.FindStringIndex(s[i:min(len(s), i+120)]); at != nil && at[0] == 0 {
				end, n = i+at[1], tokenLength
			}
		}
		if n >= tokenLength || n >= cutLength && end == len(s) {
			places = append(places, []int{i, end})
		}
		i = end
	}
	return places
}

// maxLayers is how many encodings inside each other are opened: a mail in a mail.
const maxLayers = 3

// encodedSecrets returns the secrets that s holds in base64: in a part, an
// attachment, a header. Where the encoding begins is not asked of the structure of
// the mail, which programs read differently.
func encodedSecrets(s string, layer int) (secrets []string) {
	for i := 0; i < len(s) && layer < maxLayers; i++ {
		if !base64s[s[i]] {
			continue
		}
		end, n := base64s.run(s, i, plainLine)
		if n > cutLength {
			for start := range 4 { // a word of text may stand before it
				out := make([]byte, n)
				n, _ := base64.RawStdEncoding.Decode(out, []byte(s[i+start:end]))
				text := string(bytes.ReplaceAll(out[:n], []byte{0}, nil)) // UTF-16
				for _, at := range secretsIn(text) {
					secrets = append(secrets, text[at[0]:at[1]])
				}
				secrets = append(secrets, encodedSecrets(text, layer+1)...)
			}
		}
		i = end
	}
	return secrets
}

// hideSecrets blanks in a mail what only the recipient of our letter may see, with
// raw its bytes. A source that has it in an encoding is left out, all but the header.
func hideSecrets(v *MailView, raw []byte) {
	for _, s := range []*string{&v.FromLine, &v.ReplyTo, &v.To, &v.Subject, &v.Text, &v.Quoted, &v.Forwarded, &v.ForwardedFrom, &v.HiddenText} {
		*s = withoutSecrets(*s)
	}
	for _, all := range [][]string{v.LinkMismatches, v.Attachments} {
		for i := range all {
			all[i] = withoutSecrets(all[i])
		}
	}
	const left = "[It is encoded and holds a link or a pass that only its recipient may use. It is not shown.]\n"
	header := string(headerOf(raw))
	if len(encodedSecrets(header, 0)) > 0 {
		v.Header = left
	}
	if len(encodedSecrets(string(raw), 0)) > 0 {
		v.Source = v.Header + "\n" + left
	}
}

// A stillGood is what somebody could use now, if a mail gave it away.
type stillGood struct {
	links map[[32]byte]bool
	pass  bool
}

func readStillGood(ctx context.Context, tx *sql.Tx, user string) (g stillGood, err error) {
	now := micros(time.Now())
	err = tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM enrollment_pass
		WHERE user_id = $1 AND used_at IS NULL AND revoked_at IS NULL AND expires_at > $2)`, user, now).Scan(&g.pass)
	if err != nil {
		return g, fmt.Errorf("read passes: %w", err)
	}
	rows, err := tx.QueryContext(ctx, `SELECT hash FROM owner_link WHERE expires_at > $1
		UNION ALL SELECT hash FROM invitation WHERE expires_at > $1 AND used_at IS NULL`, now)
	if err != nil {
		return g, fmt.Errorf("read links: %w", err)
	}
	defer rows.Close()
	g.links = map[[32]byte]bool{}
	for rows.Next() {
		var hash []byte
		if err := rows.Scan(&hash); err != nil {
			return g, fmt.Errorf("read links: %w", err)
		}
		g.links[[32]byte(hash)] = true
	}
	return g, rows.Err()
}

// in reports whether raw holds any of it.
func (g stillGood) in(raw string) bool {
	found := encodedSecrets(raw, 0)
	for _, at := range secretsIn(raw) {
		found = append(found, raw[at[0]:at[1]])
	}
	return slices.ContainsFunc(found, g.is)
}

func (g stillGood) is(secret string) bool {
	if passRun.MatchString(secret) {
		return g.pass
	}
	run := make([]byte, 0, len(secret))
	for i := range len(secret) {
		if symbols[secret[i]] {
			run = append(run, secret[i])
		}
	}
	for ; len(run) >= tokenLength; run = run[1:] { // what a filter put before it may look like a part of it
		if g.links[sha256.Sum256(run[:tokenLength])] {
			return true
		}
	}
	return false
}

package demo

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"regexp"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/mailtest"
)

// A letter is one mail that the SMTP server took, as its reader sees it.
type letter struct {
	To, Subject string
	At          time.Time
	Text        []piece
}

// A piece is text, or text that is a link of ours.
type piece struct{ Text, Link string }

// shown is how many letters the page shows.
const shown = 60

// letters returns what went out, the newest first.
func (s *stage) letters() ([]letter, error) {
	mails := s.smtp.Mails()
	var all []letter
	for i := len(mails) - 1; i >= 0 && len(all) < shown; i-- {
		l, err := readLetter(mails[i], s.links())
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// links finds the addresses in a letter that lead into this demo. Others stay
// text.
func (s *stage) links() *regexp.Regexp {
	return regexp.MustCompile(`(?:` + regexp.QuoteMeta(s.deskURL()) + `/r/[0-9A-Z]+|` + regexp.QuoteMeta(s.panelURL()) + `)\b`)
}

func readLetter(d mailtest.Delivered, links *regexp.Regexp) (letter, error) {
	m, err := mail.ReadMessage(bytes.NewReader(d.Raw))
	if err != nil {
		return letter{}, fmt.Errorf("read letter: %w", err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		return letter{}, fmt.Errorf("read letter: %w", err)
	}
	text, err := textOf(m)
	if err != nil {
		return letter{}, fmt.Errorf("read letter: %w", err)
	}
	return letter{To: d.To, Subject: subject, At: d.At.UTC(), Text: cut(text, links)}, nil
}

// textOf returns the text of a letter of ours: text alone, or the first part of
// two (RFC 2046 5.1.4).
func textOf(m *mail.Message) (string, error) {
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return "", err
	}
	body, encoding := m.Body, m.Header.Get("Content-Transfer-Encoding")
	if strings.HasPrefix(kind, "multipart/") {
		part, err := multipart.NewReader(m.Body, params["boundary"]).NextRawPart()
		if err != nil {
			return "", err
		}
		body, encoding = part, part.Header.Get("Content-Transfer-Encoding")
	}
	if strings.EqualFold(encoding, "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}
	text, err := io.ReadAll(io.LimitReader(body, 1<<20))
	return strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")), err
}

// cut splits a text at its links.
func cut(text string, links *regexp.Regexp) []piece {
	var all []piece
	from := 0
	for _, at := range links.FindAllStringIndex(text, -1) {
		if at[0] > from {
			all = append(all, piece{Text: text[from:at[0]]})
		}
		link := text[at[0]:at[1]]
		all = append(all, piece{link, link})
		from = at[1]
	}
	return append(all, piece{Text: text[from:]})
}

package mailbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Limits of what is read of one mail and held at one time.
const (
	headerCap = 16 << 10  // bytes of header fields
	bodyCap   = 1 << 20   // a larger mail is not fetched whole
	bodyHead  = 256 << 10 // what is fetched of it
	heldBytes = 2 << 20   // headers of one pass, bodies of one fetch, one batch: twice, for one is read while one is received
)

// headerFields are what decides whether a mail may concern anybody here.
var headerFields = []string{
	"From", "Sender", "Reply-To", "Return-Path", "To", "Cc", "Delivered-To", "Subject", "Date", "Message-ID",
	"In-Reply-To", "References", "Auto-Submitted", "List-Id", "Precedence", "Content-Type", "Resent-From",
	"X-Failed-Recipients", "X-Resetdesk-Instance",
}

// part is one section to fetch of every mail in a set. Peek keeps \Seen as it is.
type part struct {
	section imap.FetchItemBodySection
	meta    bool // ask for INTERNALDATE and RFC822.SIZE too
	most    int  // keep this many bytes of a section
}

func headerPart() part {
	return part{meta: true, most: headerCap, section: imap.FetchItemBodySection{
		Specifier: imap.PartSpecifierHeader, HeaderFields: headerFields, Peek: true,
		Partial: &imap.SectionPartial{Size: headerCap},
	}}
}

// decisive cuts from a mail what headerPart would bring.
func decisive(raw []byte) (fields []byte) {
	head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	wanted := false
	for line := range bytes.Lines(head) {
		if line[0] != ' ' && line[0] != '\t' { // else it goes with the line before (RFC 5322 2.2.3)
			name, _, _ := bytes.Cut(line, []byte(":"))
			wanted = slices.ContainsFunc(headerFields, func(f string) bool { return strings.EqualFold(f, string(bytes.TrimSpace(name))) })
		}
		if wanted && len(fields) < headerCap {
			fields = append(fields, line[:min(len(line), headerCap-len(fields))]...)
		}
	}
	return fields
}

func wholePart() part {
	return part{most: bodyCap, section: imap.FetchItemBodySection{Peek: true}}
}

func headPart() part {
	p := wholePart()
	p.most, p.section.Partial = bodyHead, &imap.SectionPartial{Size: bodyHead}
	return p
}

// piece is what came of one mail. data is nil when the section did not come, and never nil when it did.
type piece struct {
	uid      uint32
	date     time.Time
	size     int64
	data     []byte
	overflow bool // the section was longer than part.most
}

// fetchResult is the answer to one UID FETCH.
type fetchResult struct {
	err    error // the connection is dead
	status error // the connection lives, but the server said NO or BAD
}

// fetch asks for one section of every mail in set, streamed: each piece goes to keep as it comes, in the server's
// order. It is the only command under way (pipelined FETCHes deadlock the library).
func (s *session) fetch(set imap.UIDSet, p part, expect int64, keep func(piece)) fetchResult {
	if len(set) == 0 {
		return fetchResult{} // an empty set is a syntax error and would cost the connection
	}
	s.g.expect(s.conf.Body, 2*expect+16<<20)
	opts := &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{&p.section}}
	if p.meta {
		opts.InternalDate, opts.RFC822Size = true, true
	}
	cmd := s.c.Fetch(set, opts)
	for m := cmd.Next(); m != nil; m = cmd.Next() {
		got, err := readPiece(m, p)
		if err != nil {
			// The library reads on as soon as a section has failed, so nobody else may touch that section again until
			// its reader has ended.
			s.close()
			<-s.c.Closed()
			break
		}
		if set.Contains(imap.UID(got.uid)) {
			keep(got)
		}
	}
	err := cmd.Close()
	s.g.rest(15 * time.Minute)
	var status *imap.Error
	switch {
	case err == nil:
		return fetchResult{}
	case errors.As(err, &status):
		return fetchResult{status: fmt.Errorf("fetch: %w", err)}
	}
	return fetchResult{err: fmt.Errorf("fetch: %w", err)}
}

// readPiece reads one FETCH answer. It keeps the first section of the asked kind, at most p.most bytes of it; the rest
// streams by. An error means that a section broke off in the middle.
func readPiece(m *imapclient.FetchMessageData, p part) (piece, error) {
	var got piece
	for item := m.Next(); item != nil; item = m.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataUID:
			got.uid = uint32(item.UID)
		case imapclient.FetchItemDataInternalDate:
			got.date = item.Time
		case imapclient.FetchItemDataRFC822Size:
			got.size = item.Size
		case imapclient.FetchItemDataBodySection:
			if item.Literal == nil {
				continue
			}
			data, err := readSection(item.Literal, p.most)
			if err != nil {
				return piece{}, err
			}
			if got.data == nil && item.Section.Specifier == p.section.Specifier {
				got.data, got.overflow = data, item.Literal.Size() > int64(len(data))
			}
		}
	}
	return got, nil
}

// readSection reads a section to its end and keeps the first most bytes: a mail whose last bytes never came has not
// been read.
func readSection(r imap.LiteralReader, most int) ([]byte, error) {
	data := make([]byte, max(0, min(r.Size(), int64(most))))
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, err
	}
	n, err := io.Copy(io.Discard, r)
	if err == nil && n != r.Size()-int64(len(data)) {
		err = io.ErrUnexpectedEOF
	}
	return data, err
}

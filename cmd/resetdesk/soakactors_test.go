package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// mailbox signs in as one more client of the mailbox.
func (s *soak) mailbox() *imapclient.Client {
	c, err := imapclient.DialInsecure(s.w.dovecot.Addr(), nil)
	if err == nil {
		err = c.Login(s.w.dovecot.User, s.w.dovecot.Password).Wait()
	}
	if err != nil {
		s.w.t.Errorf("the soak's own client of the mailbox: %v", err)
		return nil
	}
	return c
}

// deliver appends the mails that are due, over one connection.
func (s *soak) deliver() {
	c := s.mailbox()
	if c == nil {
		return
	}
	defer c.Close()
	began := time.Now()
	for !s.over(100 * time.Millisecond) {
		for due := int(time.Since(began).Seconds() * float64(s.rate)); len(s.tried) < due; {
			id, user, raw := s.mails.next()
			p := s.post(id, user, raw)
			uid, err := put(c, raw)
			if err != nil {
				s.w.t.Errorf("deliver: %v", err)
				return
			}
			s.took(p)
			s.mu.Lock()
			s.mails.marks = append(s.mails.marks, mark{uid, time.Now()})
			s.mu.Unlock()
		}
	}
}

func put(c *imapclient.Client, raw []byte) (imap.UID, error) {
	a := c.Append("INBOX", int64(len(raw)), nil)
	if _, err := a.Write(raw); err != nil {
		return 0, err
	}
	if err := a.Close(); err != nil {
		return 0, err
	}
	data, err := a.Wait()
	if err != nil {
		return 0, err
	}
	return data.UID, nil
}

// clear is a person who deletes mail of some minutes ago, as far as the desk has
// read: mail that goes before the first look at it is no promise. It keeps the
// folder at the size of a busy one, and the disk from filling up.
func (s *soak) clear() {
	c := s.mailbox()
	if c == nil {
		return
	}
	defer c.Close()
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		s.w.t.Errorf("clear the mailbox: %v", err)
		return
	}
	for !s.over(s.pace(2*time.Second, 20*time.Second)) {
		uid, n := s.old(time.Now().Add(-min(5*time.Minute, s.length/6)), s.cursor())
		if n == 0 {
			continue
		}
		set := imap.UIDSet{{Start: 1, Stop: uid}}
		deleted := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}
		if err := c.Store(set, deleted, nil).Close(); err != nil {
			s.w.t.Errorf("clear the mailbox: %v", err)
			return
		}
		if err := c.UIDExpunge(set).Close(); err != nil {
			s.w.t.Errorf("clear the mailbox: %v", err)
			return
		}
		s.removed += n
	}
}

// old forgets the marks of mails from before then, up to the cursor, and returns
// the last UID among them and their number.
func (s *soak) old(then time.Time, cursor imap.UID) (last imap.UID, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	marks := s.mails.marks
	for n < len(marks) && marks[n].at.Before(then) && marks[n].uid <= cursor {
		last = marks[n].uid
		n++
	}
	s.mails.marks = marks[n:]
	return last, n
}

// cursor is up to where the desk has read.
func (s *soak) cursor() (uid imap.UID) {
	fmt.Sscan(s.w.sqlOn(s.w.dir, `SELECT uid FROM cursor`), &uid)
	return uid
}

// answer lets owners say yes to what they are asked.
func (s *soak) answer() {
	for !s.over(s.pace(200*time.Millisecond, time.Second)) {
		s.owing.answer()
	}
}

// A letterbox reads each letter of the SMTP server once, as it comes.
type letterbox struct {
	w    *world
	seen map[string]bool // files
	open []string        // links without an acknowledged answer
}

// answer reads what is new, posts a yes through every link that has none, and says
// how many are open.
func (b *letterbox) answer() int {
	dir := b.w.sinkDir()
	files, err := os.ReadDir(dir)
	if err != nil {
		b.w.t.Errorf("read letters: %v", err)
	}
	for _, f := range files {
		if b.seen[f.Name()] {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(dir, f.Name()))
		l, whole := readReceipt(raw)
		if err != nil || !whole {
			continue // it is being written, or was cut off
		}
		b.seen[f.Name()] = true
		if link := ownerLink.FindString(l.text); link != "" && strings.Contains(l.subject, "Please confirm") {
			b.open = append(b.open, link)
		}
	}
	var still []string
	for _, link := range b.open {
		if status, _, err := b.w.post(link, map[string][]string{"answer": {"yes"}}, nil); err != nil || status != 303 && status != 409 {
			still = append(still, link)
		}
	}
	b.open = still
	return len(still)
}

// approve lets a reviewer approve a case now and then: one at a time, as codes allow.
func (s *soak) approve() {
	for !s.over(s.pace(time.Second, 5*time.Second)) {
		_, page, err := s.w.signedIn("/?tab=review", s.w.reviewers[0])
		if err != nil {
			continue
		}
		if all := caseLink.FindAllStringSubmatch(page, -1); len(all) > 0 {
			s.approveOne(all[s.draw(len(all))][1])
		}
	}
}

// read is a reviewer who only looks: at the queue, a case of it and another page.
func (s *soak) read() {
	others := []string{"/numbers", "/audit", "/?q=A-1", "/accounts", "/attack", "/settings"}
	for n := 0; !s.over(s.pace(300*time.Millisecond, time.Second)); n++ {
		page, ok := s.look("/")
		if all := caseLink.FindAllStringSubmatch(page, -1); ok && len(all) > 0 {
			s.look("/cases/" + all[s.draw(len(all))][1])
		}
		s.look(others[n%len(others)])
	}
}

func (s *soak) look(path string) (page string, ok bool) {
	status, page, err := s.w.get(path, s.reader)
	if err != nil {
		return "", false // it is being killed
	}
	s.pages++
	if status != http.StatusOK {
		s.failed++
		s.w.t.Errorf("%s: %d", path, status)
	}
	return page, status == http.StatusOK
}

// listen keeps the stream of an open queue page, and opens it again as a browser does.
func (s *soak) listen() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-s.stop
		cancel()
	}()
	for !s.over(time.Second) {
		req, err := http.NewRequestWithContext(ctx, "GET", s.w.base+"/events?tab=review", nil)
		if err != nil {
			s.w.t.Error(err)
			return
		}
		req.AddCookie(&http.Cookie{Name: "resetdesk", Value: s.reader.token})
		resp, err := new(http.Client).Do(req)
		if err != nil {
			continue
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

// checkForged wants that no forged mail opened or joined a case.
func (s *soak) checkForged() {
	const forged = `SELECT count(*) FROM inbound WHERE instr(CAST(header AS TEXT), '<forged') > 0`
	if n := s.w.sqlOn(s.w.dir, forged+` AND fate IN ('case', 'attached')`); n != "0" {
		s.w.t.Errorf("promise 3: %s forged mails opened or joined a case", n)
	}
	if n := s.w.sqlOn(s.w.dir, forged); n == "0" {
		s.w.t.Error("no forged mail came: the test proves nothing about them")
	}
}

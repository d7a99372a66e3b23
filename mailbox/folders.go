package mailbox

import (
	"context"
	"fmt"
	"slices"

	"github.com/emersion/go-imap/v2"
)

// mostFolders is how many names Folders returns: a person reads them.
const mostFolders = 200

// Folders signs in once and returns the names of the folders that can be opened, in their order, at most 200. Like
// Peek it is for a person who asks how the mailbox looks, keeps nothing and changes nothing.
func Folders(ctx context.Context, conf WatcherConfig) ([]string, error) {
	conf = conf.withDefaults()
	if err := endpoint(conf.Host, conf.Port, conf.Security); err != nil {
		return nil, fmt.Errorf("list folders: %w", err)
	}
	s, err := knockIMAP(ctx, conf)
	if err != nil {
		return nil, fmt.Errorf("list folders: %w", err)
	}
	defer s.close()
	defer context.AfterFunc(ctx, s.close)()
	names, err := s.folders()
	if err != nil {
		return nil, fmt.Errorf("list folders: %w", err)
	}
	s.logout()
	return names, nil
}

// folders asks for the names (RFC 9051 6.3.9). The guard bounds what a server may answer.
func (s *session) folders() ([]string, error) {
	s.g.expect(s.conf.Command, 1<<20)
	all, err := s.c.List("", "*", nil).Collect()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range all {
		if !slices.Contains(f.Attrs, imap.MailboxAttrNoSelect) && !slices.Contains(f.Attrs, imap.MailboxAttrNonExistent) {
			names = append(names, f.Mailbox)
		}
	}
	slices.Sort(names)
	return names[:min(len(names), mostFolders)], nil
}

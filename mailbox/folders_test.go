package mailbox_test

import (
	"slices"
	"testing"

	"github.com/resetdesk/resetdesk/mailbox"
)

// A real server's folders are listed, and nothing in them is touched; who cannot
// sign in learns none.
func TestFolders(t *testing.T) {
	d := dovecot(t)
	if err := d.DeliverTo("Requests.New", some(1, 1)...); err != nil {
		t.Fatal(err)
	}
	c := config(d.Addr(), d.User, d.Password)
	names, err := mailbox.Folders(t.Context(), c)
	if err != nil || !slices.Contains(names, "INBOX") || !slices.IsSorted(names) || len(names) < 2 {
		t.Errorf("%q, %v", names, err)
	}
	c = config(d.Addr(), d.User, "wrong")
	if names, err := mailbox.Folders(t.Context(), c); err == nil || names != nil {
		t.Errorf("%q without a password", names)
	}
}
